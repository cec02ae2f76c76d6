"""Spectra follow their equations and become sound again, and files of sound become frames."""

import json
import os
import re
import tracemalloc

import numpy as np
import pytest
import soundfile

from seqlayers.datasets import audio, spectra, speech
from seqlayers.datasets.spectra import (
    Normalizer,
    Spectra,
    frames_of_files,
    griffin_lim,
    inverse_stft,
    log_spectral_distortion,
    stft,
    stream_spectra,
    to_amplitude,
    to_frames,
)

RATE = 16000
OTHERS = [
    Spectra(),
    Spectra(frame_length=400, hop_length=160),
    Spectra(frame_length=33, hop_length=10, window="hamming"),
    Spectra(frame_length=16, hop_length=16, window="rectangular"),
]


@pytest.fixture(scope="module")
def sentence():
    """Somebody asks `Shall I carry you.`, 1.5 s."""
    return speech.load_examples()[2].samples


@pytest.fixture
def folder(tmp_path, sentence):
    """Two sentences that can be read, in files of different kinds."""
    audio.write(tmp_path / "a.wav", sentence, RATE)
    (tmp_path / "more").mkdir()
    soundfile.write(tmp_path / "more" / "b.flac", sentence[:9000], RATE)
    return tmp_path


def spectral_convergence(amplitude, samples):
    error = np.abs(stft(samples)) - amplitude
    return np.linalg.norm(error) / np.linalg.norm(amplitude)


@pytest.mark.parametrize("settings", OTHERS)
def test_spectra_match_the_equations(rng, settings):
    L, H = settings.frame_length, settings.hop_length
    x = 0.1 * rng.normal(size=150)
    height = {"hann": 0.5, "hamming": 0.54, "rectangular": 1}[settings.window]
    expected = []
    for t in range(-(-(len(x) + L - H) // H)):
        X = np.zeros(L // 2 + 1, complex)
        for k in range(L // 2 + 1):
            for i in range(L):
                n = t * H - (L - H) + i
                w = height - (1 - height) * np.cos(2 * np.pi * i / L)
                if 0 <= n < len(x):
                    X[k] += w * x[n] * np.exp(-2j * np.pi * k * i / L)
        expected.append(X)
    actual = stft(x, settings)
    assert actual.dtype == "complex64"
    np.testing.assert_allclose(actual, expected, atol=2e-6)


@pytest.mark.filterwarnings(
    "ignore:NOLA"
)  # scipy's first sample, which we cut off with the silence
def test_spectra_and_sound_match_scipy(sentence):
    signal = pytest.importorskip("scipy.signal", reason="scipy is not installed")
    x = sentence[:16000]
    window = {"window": "hann", "nperseg": 256, "noverlap": 192}
    padded = np.pad(x, (192, 192))  # 16000 is a multiple of the hop
    _, _, expected = signal.stft(padded, **window, boundary=None, padded=False)
    actual = stft(x)
    np.testing.assert_allclose(actual, 128 * expected.T, atol=2e-5)

    changed = actual * np.linspace(0, 1, 129, dtype="float32")
    _, expected = signal.istft(changed.T / 128, **window, boundary=False)
    np.testing.assert_allclose(inverse_stft(changed), expected[192:-192], atol=1e-6)


def test_speech_comes_back():
    for utterance in speech.load_examples():
        x = utterance.samples
        np.testing.assert_allclose(inverse_stft(stft(x), len(x)), x, rtol=0, atol=1e-6)


@pytest.mark.parametrize("settings", OTHERS)
def test_noise_of_every_length_comes_back(rng, settings):
    L, H = settings.frame_length, settings.hop_length
    for N in (1, 2, H - 1, H, H + 1, L - 1, L, L + 1, 1001, 16001):
        x = rng.normal(size=N).astype("float32")
        X = stft(x, settings)
        assert X.shape == (settings.num_frames(N), settings.num_bins)
        np.testing.assert_allclose(inverse_stft(X, N, settings), x, rtol=0, atol=1e-5)


def test_each_sample_lies_in_as_many_frames_as_any_other():
    for n in range(300):
        x = np.zeros(300)
        x[n] = 1
        heard = np.abs(stft(x)).max(axis=1) > 1e-12
        assert heard.sum() in (3, 4)  # 3 where it lies on the window's zero
        assert n // 64 <= np.flatnonzero(heard)[0] and np.flatnonzero(heard)[-1] <= (n + 192) // 64


def test_without_a_number_of_samples_there_are_as_many_as_frames_can_hold(rng):
    x = rng.normal(size=6400)
    np.testing.assert_allclose(inverse_stft(stft(x)), x, atol=1e-5)
    assert inverse_stft(stft(x[:-10])).shape == (6400,)
    assert inverse_stft(stft(x[:1])).shape == (64,)


def test_changed_spectra_give_the_sound_that_is_nearest_to_them(rng):
    settings = Spectra(frame_length=8, hop_length=3, window="hamming")
    N = 10
    weight = np.sqrt([1, 2, 2, 2, 1])  # bins but the first and the last stand for two

    def flat(X):
        X = weight * X
        return np.concatenate([X.real.ravel(), X.imag.ravel()])

    S = rng.normal(size=(settings.num_frames(N), 5)) + 1j * rng.normal(
        size=(settings.num_frames(N), 5)
    )
    S[:, [0, -1]] = S[:, [0, -1]].real
    matrix = np.stack([flat(stft(unit, settings)) for unit in np.eye(N)], axis=1)
    expected = np.linalg.lstsq(matrix, flat(S), rcond=None)[0]
    np.testing.assert_allclose(inverse_stft(S, N, settings), expected, atol=1e-5)


def test_griffin_lim_finds_a_sound_of_the_amplitudes(sentence):
    A, N = np.abs(stft(sentence)), len(sentence)
    errors = [spectral_convergence(A, griffin_lim(A, N, n)) for n in (0, 5, 20, 60)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.5 and errors[-1] < 0.08
    old = spectral_convergence(A, griffin_lim(A, N, 60, momentum=0))
    assert errors[-1] < 0.6 * old  # that is what the momentum is for
    found = np.abs(stft(griffin_lim(A, N)))
    assert log_spectral_distortion(A, found) < 2.5


def test_griffin_lim_gives_the_same_for_the_same_seed(sentence):
    A = np.abs(stft(sentence[:4000]))
    first = griffin_lim(A, 4000, 5, seed=3)
    assert first.shape == (4000,) and first.dtype == "float32"
    np.testing.assert_array_equal(first, griffin_lim(A, 4000, 5, seed=3))
    assert np.abs(first - griffin_lim(A, 4000, 5, seed=4)).max() > 0.01


def test_griffin_lim_keeps_silence():
    np.testing.assert_array_equal(griffin_lim(np.zeros((10, 129)), num_iterations=3), 0)


@pytest.mark.parametrize("scale", spectra.SCALES)
def test_each_scale_has_a_way_back(sentence, scale):
    X = stft(sentence)
    frames = to_frames(X, scale)
    assert frames.dtype == "float32" and frames.shape == X.shape
    np.testing.assert_array_equal(frames, to_frames(np.abs(X), scale))
    np.testing.assert_allclose(to_amplitude(frames, scale), np.abs(X), rtol=1e-5, atol=1.01e-5)


def test_scales_are_what_they_say():
    X = np.array([[[3 + 4j, 0, 1e-9]]])
    np.testing.assert_allclose(to_frames(X, "amplitude"), [[[5, 0, 1e-9]]])
    np.testing.assert_allclose(to_frames(X, "power"), [[[25, 0, 1e-18]]], rtol=1e-6)
    floor = np.log(1e-5)
    np.testing.assert_allclose(to_frames(X, "log_amplitude"), [[[np.log(5), floor, floor]]])


def test_what_a_model_draws_below_0_is_taken_for_0():
    for scale in ("amplitude", "power"):
        np.testing.assert_array_equal(to_amplitude([[-1.0, 4.0]], scale)[0] > 0, [False, True])


def test_normalised_frames_have_mean_0_and_variance_1(rng):
    frames = [rng.gamma(2, np.arange(1, 6), (n, 5)) for n in (30, 1, 200)]
    normalizer = Normalizer.fit(frames)
    after = np.concatenate([normalizer.normalize(block) for block in frames])
    assert after.dtype == "float32"
    np.testing.assert_allclose(after.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(after.std(axis=0), 1, atol=1e-6)
    mean, deviation = audio.mean_and_deviation(frames)
    np.testing.assert_allclose(normalizer.shift, mean)
    np.testing.assert_allclose(normalizer.divisor, deviation)


def test_scaled_frames_stay_positive_and_have_mean_square_1(rng):
    frames = [rng.gamma(2, np.arange(1, 6), (100, 5))]
    after = Normalizer.fit(frames, kind="scale").normalize(frames[0])
    assert after.min() > 0
    np.testing.assert_allclose(np.square(after).mean(axis=0), 1, rtol=1e-6)


def test_all_bins_may_share_their_numbers(rng):
    frames = rng.gamma(2, np.arange(1, 6), (100, 5))
    standard = Normalizer.fit([frames], per_bin=False)
    np.testing.assert_allclose(standard.shift, np.full(5, frames.mean()))
    np.testing.assert_allclose(standard.divisor, np.full(5, frames.std()))
    scale = Normalizer.fit([frames], "scale", per_bin=False)
    np.testing.assert_allclose(scale.divisor, np.full(5, np.sqrt(np.square(frames).mean())))


@pytest.mark.parametrize("kind", ["standard", "scale"])
def test_a_normalizer_is_fitted_in_one_pass(rng, kind):
    frames = 1e4 + rng.normal(size=(1000, 3))  # a mean that would swallow the digits
    whole = Normalizer.fit([frames], kind)
    blocks = Normalizer.fit((frames[n : n + 7] for n in range(0, 1000, 7)), kind)
    np.testing.assert_allclose(blocks.shift, whole.shift, rtol=1e-12)
    np.testing.assert_allclose(blocks.divisor, whole.divisor, rtol=1e-9)
    if kind == "standard":
        np.testing.assert_allclose(whole.divisor, frames.std(axis=0), rtol=1e-9)


@pytest.mark.parametrize("kind", ["standard", "scale"])
@pytest.mark.parametrize("scale", spectra.SCALES)
def test_restoring_undoes_normalising(sentence, kind, scale):
    frames = to_frames(stft(sentence), scale)
    normalizer = Normalizer.fit([frames], kind)
    restored = normalizer.restore(normalizer.normalize(frames))
    size = np.abs(frames) + np.abs(normalizer.shift) + normalizer.divisor
    np.testing.assert_allclose(restored / size, frames / size, rtol=0, atol=1e-6)


def test_a_bin_that_never_moves_stays_quiet(rng):
    frames = rng.normal(2, 1, (50, 3)).astype("float32")
    frames[:, 1] = 0.1
    frames[:, 2] = 0
    normalizer = Normalizer.fit([frames])
    after = normalizer.normalize(frames)
    np.testing.assert_allclose(after[:, 1:], 0, atol=1e-2)
    np.testing.assert_allclose(normalizer.restore(after), frames, atol=1e-6)
    np.testing.assert_allclose(  # a model that draws noise there is not heard
        normalizer.restore(rng.normal(size=(50, 3)))[:, 1:], frames[:, 1:], atol=1e-6
    )
    assert np.isfinite(normalizer.normalize(frames + 1)).all()
    scale = Normalizer.fit([frames], "scale")
    np.testing.assert_allclose(scale.normalize(frames)[:, 1:], [[1, 0]] * 50, rtol=1e-6)


@pytest.mark.parametrize("kind", ["standard", "scale"])
def test_silence_alone_is_no_reason_to_divide_by_0(kind):
    for value in (0.0, -11.512925):
        silence = np.full((20, 4), value, "float32")
        normalizer = Normalizer.fit([silence[:3], silence[3:]], kind)
        after = normalizer.normalize(silence)
        np.testing.assert_allclose(after, np.sign(value) if kind == "scale" else 0, atol=1e-6)
        np.testing.assert_array_equal(normalizer.restore(after), silence)


def test_a_normalizer_is_saved_with_all_its_bits(tmp_path, rng):
    normalizer = Normalizer.fit([rng.normal(size=(50, 129))])
    normalizer.save(tmp_path / "normalizer.json")
    config = json.loads(json.dumps(normalizer.get_config()))
    for other in (Normalizer.load(tmp_path / "normalizer.json"), Normalizer.from_config(config)):
        np.testing.assert_array_equal(other.shift, normalizer.shift)
        np.testing.assert_array_equal(other.divisor, normalizer.divisor)
    assert os.listdir(tmp_path) == ["normalizer.json"]
    settings = Spectra(frame_length=np.int64(400), hop_length=100)
    assert Spectra.from_config(json.loads(json.dumps(settings.get_config()))) == settings


@pytest.mark.parametrize(
    "text", ["", "[1]", "{}", '{"shift": [0], "divisor": [0]}', '{"shift": [[1], 2]}', "\xff"]
)
def test_a_damaged_normalizer_is_refused_by_name(tmp_path, text):
    path = tmp_path / "normalizer.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=f"{path}: not a file of a Normalizer"):
        Normalizer.load(path)


def test_keras_normalises_alike(rng):
    import keras

    frames = rng.gamma(2, 1, (10, 5)).astype("float32")
    normalizer = Normalizer.fit([frames])
    layer = keras.layers.Normalization(mean=normalizer.shift, variance=normalizer.divisor**2)
    np.testing.assert_allclose(layer(frames), normalizer.normalize(frames), atol=1e-5)


FORMATS = {
    "8 bit at 8000 Hz": ({"subtype": "PCM_U8"}, 8000, 1),
    "24 bit stereo at 44100 Hz": ({"subtype": "PCM_24"}, 44100, 2),
    "floats at 16000 Hz": ({"subtype": "FLOAT"}, RATE, 1),
    "three channels at 11025 Hz": ({"subtype": "PCM_16"}, 11025, 3),
}


@pytest.mark.parametrize("options, rate, channels", FORMATS.values(), ids=FORMATS)
def test_streamed_spectra_are_those_of_the_whole_file(tmp_path, rng, options, rate, channels):
    path = tmp_path / "sound.wav"
    for N in (2, 255, 30_001):
        soundfile.write(path, rng.uniform(-0.5, 0.5, (N, channels)), rate, **options)
        expected = stft(audio.read(path, sample_rate=RATE).samples)
        for block_frames in (1, 7, 1024):
            blocks = list(stream_spectra(path, block_frames=block_frames))
            assert all(len(block) and block.dtype == "complex64" for block in blocks)
            np.testing.assert_allclose(np.concatenate(blocks), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("settings", OTHERS)
def test_blocks_fit_together_whatever_the_hop(tmp_path, rng, settings):
    path = tmp_path / "sound.wav"
    audio.write(path, rng.uniform(-1, 1, 3001), RATE)
    expected = stft(audio.read(path).samples, settings)
    for block_frames in (1, 3):
        blocks = stream_spectra(path, settings, block_frames)
        np.testing.assert_allclose(np.concatenate(list(blocks)), expected, rtol=0, atol=1e-6)


def test_a_channel_can_be_picked(tmp_path, rng):
    path = tmp_path / "sound.wav"
    audio.write(path, rng.uniform(-1, 1, (1000, 2)), RATE)
    spectrum = np.concatenate(list(stream_spectra(path, channel=1)))
    np.testing.assert_array_equal(spectrum, stft(audio.read(path, channel=1).samples))
    assert frames_of_files(path, channel=1).files == [str(path)]
    with pytest.raises(ValueError, match="no channel 2; the file has 2"):
        frames_of_files(path, channel=2)


def test_files_become_whole_sentences_of_frames(folder, sentence):
    corpus = frames_of_files(folder, scale="log_amplitude")
    assert corpus.files == [str(folder / "a.wav"), str(folder / "more" / "b.flac")]
    assert corpus.skipped == [] and len(corpus.dataset) == 2
    for _ in range(2):  # it can be read again
        for frames, samples in zip(corpus.dataset, (sentence, sentence[:9000]), strict=True):
            expected = to_frames(stft(samples), "log_amplitude")
            assert frames.dtype == "float32"
            np.testing.assert_allclose(frames, expected, rtol=0, atol=1e-5)


def test_files_become_sequences_of_one_length(folder, sentence):
    corpus = frames_of_files([folder / "more", str(folder / "a.wav")], length=100)
    assert corpus.files[0].endswith("b.flac")
    assert corpus.dataset.element_spec.shape == (100, 129)
    pieces = np.stack([frames.numpy() for frames in corpus.dataset])
    expected = np.abs(stft(sentence))
    assert len(corpus.dataset) == len(pieces) == 1 + len(expected) // 100
    np.testing.assert_allclose(pieces[0], expected[:100], atol=1e-5)
    np.testing.assert_allclose(pieces[1:].reshape(-1, 129), expected[:300], atol=1e-5)


def test_long_sequences_are_put_together_of_many_blocks(tmp_path, rng):
    audio.write(tmp_path / "a.wav", rng.uniform(-1, 1, 64 * 5000), RATE)
    expected = np.abs(stft(audio.read(tmp_path / "a.wav").samples))
    for length in (700, 1500, 5003):
        pieces = list(frames_of_files(tmp_path, length=length).dataset)
        assert len(pieces) == 5003 // length
        whole = np.concatenate([piece.numpy() for piece in pieces])
        np.testing.assert_array_equal(whole, expected[: len(whole)])


def test_frames_are_normalised_by_what_was_fitted_to_the_files(folder):
    corpus = frames_of_files(folder)
    normalizer = Normalizer.fit(corpus.dataset)
    again = frames_of_files(corpus.files, normalizer=normalizer)
    frames = np.concatenate([frames.numpy() for frames in again.dataset])
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(frames.std(axis=0), 1, atol=1e-4)


def damaged(folder, sentence):
    """Puts files that cannot be used in a folder; returns why, by name."""
    whole = (folder / "a.wav").read_bytes()
    (folder / "cut.wav").write_bytes(whole[:-1000])
    promising = whole[:40] + (2**31).to_bytes(4, "little") + whole[44:]
    (folder / "promise.wav").write_bytes(promising)
    soundfile.write(folder / "nan.wav", sentence * np.nan, RATE, subtype="FLOAT")
    audio.write(folder / "none.wav", np.zeros(0), RATE)
    audio.write(folder / "short.wav", sentence[:255], RATE)
    audio.write(folder / "shorter.wav", sentence[:255], 2 * RATE)
    flac = (folder / "more" / "b.flac").read_bytes()
    (folder / "half.flac").write_bytes(flac[: len(flac) // 2])
    (folder / "notes.txt").write_bytes(b"la la la " * 30)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "gone.wav").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.wav")
    (folder / ".hidden").write_bytes(b"not told of")
    return {
        "cut.wav": "truncated",
        "promise.wav": "truncated",
        "nan.wav": "sample 0 is not finite",
        "none.wav": "0 samples",
        "short.wav": "255 samples .* takes 256",
        "shorter.wav": "128 samples at 16000 Hz",
        "half.flac": "damaged",
        "notes.txt": "not a sound file",
        "empty.wav": "empty file",
        "gone.wav": "not a regular file",
        "pipe.wav": "not a regular file",
    }


def test_files_that_cannot_be_used_are_skipped_and_told_of(folder, sentence):
    before = [frames.numpy() for frames in frames_of_files(folder).dataset]
    reasons = damaged(folder, sentence)
    corpus = frames_of_files(folder)
    assert len(corpus.files) == 2
    for frames, expected in zip(corpus.dataset, before, strict=True):
        np.testing.assert_array_equal(frames, expected)
    assert [path for path, _ in corpus.skipped] == [str(folder / name) for name in sorted(reasons)]
    for path, reason in corpus.skipped:
        assert re.search(reasons[os.path.basename(path)], reason), path
        assert path not in reason


def test_if_no_file_can_be_used_all_reasons_are_told(folder, sentence):
    reasons = damaged(folder, sentence)
    with pytest.raises(ValueError, match="`paths` must hold a sound file") as raised:
        frames_of_files([folder / name for name in ("cut.wav", "notes.txt", "half.flac")])
    for name in ("cut.wav", "notes.txt", "half.flac"):
        assert f"{folder / name}: " in str(raised.value)
    assert reasons["cut.wav"] in str(raised.value)
    with pytest.raises(ValueError, match="a.wav: too short: 375 frames.*takes 1000"):
        frames_of_files(folder / "a.wav", length=1000)


def test_what_is_damaged_after_it_was_looked_at_is_named(folder):
    import tensorflow as tf

    corpus = frames_of_files(folder)
    (folder / "a.wav").write_bytes(b"la la la " * 30)
    with pytest.raises(tf.errors.OpError, match="a.wav: not a sound file"):
        list(corpus.dataset)


def test_silence_and_clipping_give_finite_frames(tmp_path, sentence):
    audio.write(tmp_path / "silence.wav", np.zeros(4000), RATE)
    audio.write(tmp_path / "clipped.wav", (100 * sentence).clip(-1, 1), RATE)
    for scale in spectra.SCALES:
        clipped, silence = frames_of_files(tmp_path, scale=scale).dataset
        assert np.isfinite(clipped).all()
        expected = np.log(1e-5) if scale == "log_amplitude" else 0
        np.testing.assert_allclose(silence, expected, rtol=1e-6)


def test_ten_minutes_take_no_more_memory_than_ten_seconds(tmp_path):
    path, minute = tmp_path / "long.wav", np.random.default_rng(0).normal(0, 0.1, 60 * RATE)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(10):
            file.write(minute)
    whole = 10 * 60 * RATE / 64 * 129 * 8  # bytes of the spectra
    tracemalloc.start()
    try:
        num_frames = sum(len(block) for block in stream_spectra(path))
        streamed = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        corpus = frames_of_files(path, length=500)
        num_pieces = sum(1 for _ in corpus.dataset)
        in_pieces = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert num_frames == Spectra().num_frames(10 * 60 * RATE) and num_pieces == num_frames // 500
    assert streamed < whole / 10 and in_pieces < whole / 10
    assert streamed < 10e6 and in_pieces < 20e6


def test_distortion_is_measured_in_decibels(rng):
    A = rng.gamma(2, 1, (20, 129))
    assert log_spectral_distortion(A, A) == 0
    np.testing.assert_allclose(log_spectral_distortion(A, A / 2), 20 * np.log10(2), rtol=1e-6)
    B = rng.gamma(2, 1, (20, 129))
    expected = 0
    for a, b in zip(A, B, strict=True):
        expected += np.sqrt(np.mean((20 * np.log10(a / b)) ** 2)) / 20
    np.testing.assert_allclose(log_spectral_distortion(A, B), expected, rtol=1e-5)
    np.testing.assert_allclose(log_spectral_distortion(B, A), expected, rtol=1e-5)
    np.testing.assert_allclose(log_spectral_distortion(0 * A, 0 * A + 1), 100)  # from the floor


@pytest.mark.parametrize(
    "call, reason",
    [
        (lambda X: Spectra(hop_length=256), "`hop_length`.*256, frame_length=256, window='hann'"),
        (lambda X: Spectra(hop_length=300), "`hop_length` must be so short.*300"),
        (lambda X: Spectra(frame_length=1, hop_length=1), "`hop_length`.*1, frame_length=1"),
        (lambda X: Spectra(window="kaiser"), "`window`.*hann, hamming.*kaiser"),
        (lambda X: Spectra(sample_rate=0), "`sample_rate`.*0"),
        (lambda X: Spectra().num_frames(0), "`num_samples`.*0"),
        (lambda X: stft(np.zeros(0)), "`samples` must hold at least one.*none"),
        (lambda X: stft(np.zeros((2, 500))), r"`samples`.*one channel.*\(2, 500\)"),
        (lambda X: stft(np.full(500, np.nan)), "`samples` must be finite.*nan at sample 0"),
        (lambda X: stft(np.zeros(500), 256), "`settings`.*256"),
        (lambda X: inverse_stft(X[:, :-1]), r"`spectrum`.*\(T, 129\).*\(10, 128\)"),
        (lambda X: inverse_stft(X[:3]), "`spectrum` must have at least 4 frames.*3"),
        (lambda X: inverse_stft(X, 449), "`num_samples` must be from 385 to 448.*10.*449"),
        (lambda X: inverse_stft(X * np.nan), r"`spectrum` must be finite.*nan.*\(0, 0\)"),
        (lambda X: inverse_stft(X.astype(str)), "`spectrum` must be an array of numbers.*<U"),
        (lambda X: inverse_stft(X.real), "numbers, complex.*griffin_lim.*float32"),
        (lambda X: inverse_stft([[1, 2], [3]]), "`spectrum` must be an array of numbers"),
        (lambda X: griffin_lim(X), "`amplitude` must be an array of numbers, real.*complex"),
        (lambda X: griffin_lim(-X.real), "`amplitude` must not be negative.*-1"),
        (lambda X: griffin_lim(X.real[:3]), "`amplitude` must have at least 4 frames.*3"),
        (lambda X: griffin_lim(X.real, 384), "`num_samples` must be from 385.*384"),
        (lambda X: griffin_lim(X.real, num_iterations=-1), "`num_iterations`.*-1"),
        (lambda X: griffin_lim(X.real, momentum=1.5), "`momentum`.*1.5"),
        (lambda X: griffin_lim(X.real, seed=-1), "`seed`.*-1"),
        (lambda X: to_frames(X, "decibels"), '`scale`.*"power".*decibels'),
        (lambda X: to_frames(-X.real), "`spectrum` must not be negative.*-1"),
        (lambda X: to_frames(1e30 * X, "power"), "`spectrum` must be finite in float32.*inf"),
        (lambda X: to_amplitude(X), "`frames` must be an array of numbers, real"),
        (lambda X: to_amplitude(100 * X.real, "log_amplitude"), "`frames`.*made of it.*inf"),
        (lambda X: log_spectral_distortion(X.real, X.real[1:]), r"\(10, 129\) and \(9, 129\)"),
        (lambda X: Normalizer.fit([]), "`frames` must hold at least one array.*none"),
        (lambda X: Normalizer.fit(X.real), r"`frames\[0\]` must be an array.*\(129,\)"),
        (lambda X: Normalizer.fit([X.real, X.real[:, 1:]]), r"`frames\[1\]` must have 129.*128"),
        (lambda X: Normalizer.fit([X.real], "mean"), '`kind`.*"scale".*mean'),
        (lambda X: Normalizer([0, 0], [1]), r"`shift` and `divisor`.*\(2,\) and \(1,\)"),
        (lambda X: Normalizer([0, 0], [1, -1]), "`divisor` must be positive.*-1 in bin 1"),
        (lambda X: Normalizer([0, 0], [1, np.nan]), "`divisor` must be finite.*nan"),
        (lambda X: Normalizer([0], [1]).normalize(X.real), r"`frames` must have 1 bins.*129"),
        (lambda X: stream_spectra("a.wav", block_frames=0), "`block_frames`.*0"),
        (lambda X: stream_spectra("a.wav", channel=None), "`channel`.*None"),
        (lambda X: frames_of_files(7), "`paths` must be a path or a list.*7"),
        (lambda X: frames_of_files([]), r"`paths` must hold a sound file.*paths=\[\]"),
        (lambda X: frames_of_files("a", length=0), "`length`.*0"),
        (lambda X: frames_of_files("a", scale="mel"), "`scale`.*mel"),
        (lambda X: frames_of_files("a", channel="left"), "`channel`.*left"),
        (lambda X: frames_of_files("a", normalizer=2), "`normalizer` must be a.*2"),
        (
            lambda X: frames_of_files("a", normalizer=Normalizer([0], [1])),
            "`normalizer` must be of 129 bins.*one of 1",
        ),
    ],
)
def test_arguments_are_checked(call, reason):
    with pytest.raises(ValueError, match=reason):
        call(np.ones((10, 129), "complex64"))


def test_a_path_that_does_not_exist_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match="`paths` must exist.*missing.wav"):
        frames_of_files([tmp_path, tmp_path / "missing.wav"])
    with pytest.raises(FileNotFoundError):
        next(stream_spectra(tmp_path / "missing.wav"))


def test_a_file_without_samples_has_no_spectra(tmp_path):
    audio.write(tmp_path / "none.wav", np.zeros(0), RATE)
    with pytest.raises(audio.AudioError, match="none.wav: there are no samples"):
        list(stream_spectra(tmp_path / "none.wav"))

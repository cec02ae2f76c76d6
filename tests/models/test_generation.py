"""A stream of frames is what `generate` draws, one at a time, and both check their arguments."""

from itertools import islice

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlayers.audio import SoundStream, Spectra, griffin_lim
from seqlayers.heads import BernoulliHead
from seqlayers.models import RNNRBM, SequenceModel, stream_frames


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = RNNRBM.for_spectrograms(9, 6, 4, num_layers=2, sampling_steps=3, seed=0)
    model.compile(jit_compile=False)
    return model


def taken(stream, count):
    return np.stack([*islice(stream, count)])


def test_a_stream_is_what_generate_draws(model, rng):
    prime = rng.normal(size=(5, 9)).astype("float32")
    for options in ({"seed": 3}, {"seed": -1, "temperature": 0.5, "prime": prime}):
        frames = taken(stream_frames(model, **options), 12)
        assert frames.dtype == "float32"
        expected = model.generate(12, **options)[0]
        np.testing.assert_allclose(frames, expected, rtol=1e-4, atol=1e-4)


def test_few_programs_draw_and_read_all_numbers_of_frames(rng):
    model = SequenceModel(keras.layers.GRUCell(4), BernoulliHead(5, seed=0))
    model.compile(jit_compile=False)
    prime = (rng.random((40, 5)) < 0.5).astype("float32")
    longest = model.generate(40, seed=1)
    for number in (1, 15, 16, 17, 33):
        np.testing.assert_array_equal(model.generate(number, seed=1), longest[:, :number])
        frames = taken(stream_frames(model, prime[:number], seed=1), 3)
        np.testing.assert_array_equal(model.generate(3, prime[:number], seed=1)[0], frames)
    for name in ("draw", "prime"):
        traced = model.compiled_function(name, None).experimental_get_tracing_count()
        assert traced == 3  # for 16, 32 and 64 frames


def test_a_model_without_memory_streams_too():
    model = SequenceModel(None, BernoulliHead(5, seed=0))
    frames = taken(stream_frames(model, seed=1), 20)
    np.testing.assert_array_equal(frames, model.generate(20, seed=1)[0])
    assert 0 < frames.mean() < 1 and len(np.unique(frames, axis=0)) > 1


def test_a_stream_of_frames_becomes_a_stream_of_sound(model):
    settings = Spectra(frame_length=16, hop_length=4)
    sound = SoundStream(settings)
    frames = taken(stream_frames(model, seed=0), 40)
    samples = np.concatenate([*map(sound.push, np.abs(frames)), sound.finish()])
    assert samples.shape == griffin_lim(np.abs(frames), settings=settings).shape
    assert np.isfinite(samples).all() and samples.std() > 0.01


def test_numbers_of_numpy_are_numbers(model):
    numbers = {"num_sequences": np.int8(1), "temperature": np.float32(0.5), "seed": np.int32(3)}
    drawn = model.generate(np.int64(12), **numbers)
    np.testing.assert_array_equal(drawn, model.generate(12, temperature=0.5, seed=3))


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"temperature": 0}, "`temperature` must be a finite number above 0.*0"),
        ({"temperature": True}, "`temperature` must be a finite number above 0.*True"),
        ({"seed": 0.5}, "`seed` must be an integer.*0.5"),
        ({"prime": np.zeros((3, 8))}, r"`prime\[0\]` must have 9.*\(3, 8\)"),
    ],
)
def test_a_wrong_argument_is_refused_before_the_first_frame(model, options, reason):
    with pytest.raises(ValueError, match=reason):
        stream_frames(model, **options)
    with pytest.raises(ValueError, match=reason):
        model.generate(2, **options)


def test_what_is_not_finite_is_not_drawn(model):
    weight = model.head.kernel
    before = weight.numpy()
    damaged = before.copy()
    damaged[2, 3] = np.nan
    try:
        weight.assign(damaged)
        for draw in (lambda: model.generate(2), lambda: stream_frames(model)):
            with pytest.raises(ValueError, match="weights must be finite.*1 of 54 in .*kernel"):
                draw()
        weight.assign(np.full_like(before, 3e38))  # finite, but the sums are not
        with pytest.raises(ValueError, match="drawn frames must be finite.*Received: .* frames"):
            model.generate(2)
        with pytest.raises(ValueError, match="drawn frames must be finite"):
            taken(stream_frames(model), 2)
    finally:
        weight.assign(before)


@pytest.mark.parametrize("value", [np.array, tf.constant], ids=["arrays", "tensors"])
def test_arrays_and_tensors_without_axes_are_numbers(model, value):
    options = {"num_sequences": value(2), "temperature": value(0.5), "seed": value(3)}
    expected = model.generate(4, num_sequences=2, temperature=0.5, seed=3)
    np.testing.assert_array_equal(model.generate(value(4), **options), expected)


@pytest.mark.parametrize("wrong", [True, "2", 2.5, np.float32(2), np.array([2]), None, 0])
def test_what_is_no_number_of_steps_is_refused(model, wrong):
    with pytest.raises(ValueError, match="`num_steps` must be an integer of at least 1"):
        model.generate(wrong)

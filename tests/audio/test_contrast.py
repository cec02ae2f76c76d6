"""Without options, segments are where sound rises above the noise of its recording."""

import dataclasses

import numpy as np
import pytest
from reference import contrast as reference

from seqlayers import audio, metrics
from seqlayers.audio import NoSegments, SegmentRules, segments, segments_of_blocks
from seqlayers.audio.contrast import Channels, estimate

RATE = 16000


def song(rate=RATE, decibels=30, seconds=12, seed=0):
    """A recording of syllables of 30 to 120 ms, 12 to 80 ms apart, in bouts, and their times.

    Syllables are sweeps with two harmonics; their loudness has a deviation of 4 dB, and noise is
    as many decibels below their mean in a band of 10 kHz.
    """
    rng = np.random.default_rng(seed)
    x, times, start = np.zeros(seconds * rate), [], 0.5
    while start < seconds - 1:
        for _ in range(rng.integers(4, 15)):
            n = round(rng.uniform(0.03, 0.12) * rate)
            phase = np.cumsum(np.linspace(*rng.uniform(1500, 3500, 2), n)) * 2 * np.pi / rate
            edge = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.006 * rate))
            swell = np.sin(np.pi / 2 * edge) ** 2 * 10 ** (rng.normal(0, 4) / 20)
            first = round(start * rate)
            if first + n > len(x):
                break
            x[first : first + n] += 0.1 * swell * (np.sin(phase) + np.sin(2 * phase) / 2)
            times.append((start, start + n / rate))
            start += n / rate + rng.uniform(0.012, 0.08)
        start += rng.uniform(0.3, 1)
    deviation = 0.08 * 10 ** (-decibels / 20) * np.sqrt(rate / 20000)
    x += deviation * rng.normal(size=len(x))
    return x.astype("float32"), np.array(times)


def onsets(x, times, rate=RATE, rules=audio.segment_rules.DEFAULT):
    return metrics.segment_scores(segments(x, rate, rules).times, times).onset.f1


@pytest.mark.parametrize("rate", [16000, 22050, 32000, 44100, 48000])
def test_song_is_found_at_any_rate(rate):
    x, times = song(rate)
    assert onsets(x, times, rate) > 0.99


def test_song_is_found_where_another_rate_has_nothing():
    x, times = song()
    for rate in (48000, 96000):
        faster = audio.resample(x, RATE, rate)
        assert onsets(faster, times, rate) > 0.99
        assert segments(faster, rate).rules.band[1] < 9000


@pytest.mark.parametrize("decibels, least", [(60, 0.99), (20, 0.99), (10, 0.97), (6, 0.9)])
def test_song_is_found_in_noise(decibels, least):
    x, times = song(decibels=decibels)
    assert onsets(x, times) > least


def hum(x, t, rng):
    return x + 0.3 * (1 + 0.3 * np.sin(4 * t)) * np.sin(100 * np.pi * t) + 0.2


def rumble(x, t, rng):
    """Gusts below 200 Hz, louder than the song."""
    size = np.interp(t, np.arange(0, 13, 0.7), rng.gamma(0.5, 1, 19))
    return x + size * sum(np.sin(2 * np.pi * f * t + f) for f in rng.uniform(5, 150, 9)) / 9


def clicks(x, t, rng):
    x = x.copy()
    x[rng.integers(0, len(x), 30)] += 0.9
    return x


SPOILED = {
    "hum and offset": hum,
    "rumble": rumble,
    "clicks": clicks,
    "clipped": lambda x, t, rng: np.clip(20 * x, -1, 1),
    "quiet": lambda x, t, rng: 1e-6 * x,
    "few bits": lambda x, t, rng: np.round(100 * x * 2**5) / 2**15,
    "loud": lambda x, t, rng: 1e6 * x,
    "silence around": lambda x, t, rng: np.where((t > 0.4) & (t < 11.5), x, 0),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_song_is_found_in_what_is_no_song(spoil, rng):
    x, times = song()
    times = times[times[:, 1] < 11.4]
    x[round(11.45 * RATE) :] = x[: len(x) - round(11.45 * RATE)]  # which is noise
    assert onsets(spoil(x, np.arange(len(x)) / RATE, rng).astype("float32"), times) > 0.97


@pytest.mark.parametrize(
    "tones, noise, low, high, speech",
    [
        ([900], 3e-3, 500, 1300, False),
        ([900], 3e-7, 0, 2000, False),
        ([200, 900], 3e-3, 0, 1300, True),
        ([200], 3e-3, 0, 600, True),
        ([700, 1700], 3e-3, 500, 2000, False),
    ],
    ids=["low", "no noise", "voiced", "lowest", "two runs"],
)
def test_the_band_and_the_level_are_those_of_the_reference(tones, noise, low, high, speech):
    rate = 4000
    t = np.arange(2 * rate) / rate
    x, rng = noise * np.random.default_rng(3).normal(size=len(t)), np.random.default_rng(4)
    for start in (0.3, 0.6, 1.1, 1.5):
        tone = sum(np.sin(2 * np.pi * f * t) for f in tones)
        x += rng.uniform(0.1, 0.6) * tone * ((start < t) & (t < start + 0.1))
    x[t > 1.8] = 0
    x = x.astype("float32")
    expected = reference.band(x, rate)
    assert Channels(iter([x]), rate).band() == expected
    assert low <= expected[0] < tones[0] and tones[-1] < expected[1] <= high
    assert expected[2] == speech
    low, high, _ = expected
    for window in (4.0, 20.0):
        found = estimate(lambda: iter([x]), rate, SegmentRules(window=window))
        actual = 20 * np.log10([found.noise, found.sound, found.rules.level])
        expected = reference.level(x, rate, window, low, high)
        np.testing.assert_allclose(actual, expected, atol=0.02)


def test_what_is_given_is_not_estimated():
    x, times = song()
    rules = segments(x, RATE, SegmentRules(band=(1000, 5000), min_spacing=7)).rules
    assert rules.band == (1000, 5000) and rules.min_spacing == 7
    rules = segments(x, RATE, SegmentRules(band=(1000, None))).rules
    assert rules.band == (1000, None) and rules.min_spacing == 5
    found = segments(x, RATE)
    again = segments(x, RATE, found.rules)
    np.testing.assert_array_equal(again.times, found.times)
    assert again.rules == found.rules and again.noise is None
    assert found.noise < found.level == found.rules.level < found.sound


def test_blocks_give_the_same_as_the_whole():
    x, _ = song(seconds=20)  # more than one block of a filter
    whole = segments(x, RATE)
    for size in (1000, 40_000):
        cut = segments_of_blocks(lambda s=size: iter(np.split(x, range(s, len(x), s))), RATE)
        np.testing.assert_array_equal(cut.times, whole.times)
        assert cut[1:] == whole[1:]


def test_sounds_in_an_echo_are_parted_where_loudness_dips():
    """In a room in which sound falls by 60 dB in 0.2 s, its echo fills the gaps."""
    x, times = song(seed=1)
    n, rng = RATE // 5, np.random.default_rng(0)
    echo = rng.normal(size=n) * 10 ** (-3 * np.arange(n) / n)
    echo *= 0.3 / np.sqrt(np.square(echo).sum())
    echo[0] = 1
    heard = np.convolve(x, echo)[: len(x)].astype("float32")
    uncut = onsets(heard, times, rules=SegmentRules(dip=200))
    assert onsets(heard, times) > max(0.88, uncut + 0.08)
    assert 15 <= segments(x, RATE).rules.dip < 30
    assert onsets(x, times) > 0.99


@pytest.mark.parametrize("pitches, gap", [((350, 900), 0.02), ((1800, 7000), 0.03)])
def test_calls_are_parted_that_are_low_or_far_apart_in_frequency(pitches, gap):
    """Calls of 50 ms in bouts, each at one of two pitches, in hum."""
    t, rng = np.arange(10 * RATE) / RATE, np.random.default_rng(0)
    x = 1e-3 * rng.normal(size=len(t)) + hum(0, t, rng)
    starts = [bout + k * (0.05 + gap) for bout in range(1, 10, 2) for k in range(10)]
    for n, start in enumerate(starts):
        inside = (start <= t) & (t < start + 0.05)
        swell = np.sin(np.pi * (t[inside] - start) / 0.05) ** 0.5
        x[inside] += 0.1 * swell * np.sin(2 * np.pi * pitches[n % 2] * t[inside])
    times = np.array(starts)[:, None] + [0, 0.05]
    assert onsets(x.astype("float32"), times) == 1


def test_rounding_is_not_the_noise():
    """Noise below half of the last of 16 bits leaves digital silence, with rare clicks."""
    x, times = song(rate=44100, decibels=80)
    assert onsets((np.round(x * 2**15) / 2**15).astype("float32"), times, 44100) > 0.97


def test_speech_is_found_in_runs():
    """A voice with pauses of half a second, and in each run stops that are silent for 60 ms."""
    t = np.arange(6 * RATE) / RATE
    voice = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 30))
    run, stop = t % 2 < 1.5, (t % 0.3) < 0.06
    x = 0.1 * voice * run * ~stop + 1e-3 * np.random.default_rng(0).normal(size=len(t))
    found = segments(x.astype("float32"), RATE)
    assert found.rules.min_spacing == 100 and found.rules.dip is None
    np.testing.assert_allclose(found.times, [[0.06, 1.5], [2.0, 3.5], [4.0, 5.5]], atol=0.07)
    split = segments(x.astype("float32"), RATE, SegmentRules(min_spacing=5))
    assert len(split.times) >= 15


def test_noise_alone_has_no_segment(rng):
    with pytest.raises(NoSegments, match="noise -.* dB, level -.* dB, sound -.* Hz") as raised:
        segments(0.01 * rng.normal(size=30 * RATE).astype("float32"), RATE)
    assert 'method="contrast"' in str(raised.value)
    hum = np.sin(100 * np.pi * np.arange(4 * RATE) / RATE)
    hums = hum + 1e-4 * rng.normal(size=len(hum)), np.round(hum * 2**14) / 2**15
    for x in (
        *(each.astype("float32") for each in (hum, *hums)),
        np.full(RATE, 0.3, "float32"),
        np.ones(1, "float32"),
    ):
        with pytest.raises(NoSegments):
            segments(x, RATE)
    with pytest.raises(NoSegments, match="silent: all its samples are 0.*no noise"):
        segments(np.zeros(RATE, "float32"), RATE)


@pytest.mark.parametrize("size, band", [(1, None), (1, (0, 8000)), (0.03, (200, None))])
def test_in_digital_silence_all_that_sounds_is_sound(rng, size, band):
    x, tone = np.zeros(3 * RATE, "float32"), np.sin(0.4 * np.arange(800))
    for start, sound in ((4000, rng.normal(size=800)), (20_000, tone), (40_000, size * tone)):
        x[start : start + 800] = sound
    found = segments(x, RATE, SegmentRules(band=band))
    expected = [[0.25, 0.3], [1.25, 1.3], [2.5, 2.55]]
    np.testing.assert_allclose(found.times, expected, atol=0.007)


def test_the_rules_that_would_find_some_are_named():
    x, _ = song()
    with pytest.raises(NoSegments, match=r"0 longer\. A `threshold` of") as raised:
        segments(x, RATE, SegmentRules(min_length=121, max_length=400))
    text = raised.value.reason
    assert "shorter" in text and "band=(" in text and "max_length=400" in text
    found = estimate(lambda: iter([x]), RATE, SegmentRules(min_length=121, max_length=400)).rules
    level = raised.value.suggested_level
    times = segments(x, RATE, dataclasses.replace(found, level=level)).times
    assert f"would find {len(times)}, with" in text


def test_runs_that_are_dropped_are_counted():
    x, times = song()
    lengths = np.diff(times, axis=1)[:, 0]
    found = segments(x, RATE, SegmentRules(min_length=60, max_length=90))
    short, long = found.dropped
    assert short + long + len(found.times) == len(times)
    assert abs(short - (lengths < 0.06).sum()) < 5 and abs(long - (lengths > 0.09).sum()) < 5


@pytest.mark.parametrize("rate", [1, 100, 1000, 300_000])
def test_strange_rates_do_no_harm(rate):
    x = 0.01 * np.random.default_rng(0).normal(size=3000).astype("float32")
    x[1000:1500] *= 50
    found = segments(x, rate, SegmentRules(window=40_000 / rate, min_length=0, max_length=1e7))
    seconds = found.times[np.diff(found.times, axis=1)[:, 0].argmax()] * rate
    np.testing.assert_allclose(seconds, [1000, 1500], atol=60)


@pytest.fixture(scope="module")
def recordings(shared_data):
    """Function that returns recordings of a file, their rate, and the times of their labels."""

    def read(name, label):
        with np.load(shared_data / name) as data:
            rate, ends = int(data["sample_rate"]), np.cumsum(data["lengths"])[:-1]
            sounds = np.split(data["audio"].astype("float32") / 2**15, ends)
            times = np.stack([data[f"{label}_start"], data[f"{label}_end"]], axis=1) / rate
            ends = np.cumsum(data[f"{label}_counts"])[:-1]
            labels = np.split(data[f"{label}_label"], ends)
            return sounds, rate, np.split(times, ends), labels, data.get("phone_set")

    return read


def test_syllables_of_a_finch_are_found_without_options(recordings):
    songs, rate, marked, _, _ = recordings("bird/bengalese_finch_gy6or6.npz", "syllable")
    found = [segments(song, rate) for song in songs]
    scores = metrics.segment_scores([each.times for each in found], marked)
    assert min(score.f1 for score in scores) > 0.97 and scores.onset.f1 > 0.98
    assert scores.onset.error < 0.002
    assert {each.rules.min_spacing for each in found} == {5}


def test_runs_of_speech_are_found_without_options(recordings):
    """Milliseconds of speech and pauses, by the labels of phones."""
    sounds, rate, times, labels, names = recordings("speech/arctic_slt_103.npz", "phone")
    both = np.zeros((2, 2), int)
    for n in range(0, 103, 5):
        t = np.arange(round(1000 * len(sounds[n]) / rate)) / 1000
        found = segments(sounds[n], rate)
        assert found.rules.min_spacing == 100
        speech = times[n][names[labels[n]] != "pau"]
        inside = [
            ((each[:, :1] <= t) & (t < each[:, 1:])).any(axis=0) for each in (found.times, speech)
        ]
        np.add.at(both, tuple(each.astype(int) for each in inside), 1)
    assert both[1, 1] / both[1].sum() > 0.96 and both[1, 1] / both[:, 1].sum() > 0.97

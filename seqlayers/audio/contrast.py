"""The noise of a recording, the band of frequencies in which sound rises above it, and a level.

Each frame of 16 ms, one every 8 ms, has a power P_tc in dB in channels c of 250 Hz. With

    n_c = the 10th percentile of P_tc over t                                  noise of a channel
    e_c = mean over t of max(0, P_tc - n_c - 10)                              its contrast

a steady hum or hiss, however loud, has no contrast: in noise a power ten times its mean is rare.
e_c is 0 where the mean power, less the noise, is 60 dB below that of another channel, as above the
highest frequency of a recording that was resampled. Where it is 0 everywhere, the level is above
all. The band reaches over all runs of channels with e_c >= max(e) / 5 whose sum is at least half
the largest. The lowest channel, where wind and steps are, is no part of it if another has a fifth
of its contrast, unless the sounds are voiced speech.
With a_n in dB the loudness in this band (see `loudness`), w its window in seconds and B the width
of the band in Hz,

    N = the 10th percentile of a_n, or S - 80 if that is more                 noise
    s = 20 log10(1 + 0.76 / sqrt(2 B w))      standard deviation of the loudness of steady noise
    S = the 90th percentile of those a_n that are 5 s above the 10th          sound
    level = N + max(5 s, (S - N) / 4)
    dip = max(15, (S - N) / 2)                                                see `segment_dips`

Percentiles are of what is not digital silence, which no microphone records. Nor does one record
noise 80 dB below the sound, where rounding is all that is left. The level is a quarter of the way
from the noise to the sound in dB, near where people see a sound begin in a spectrogram, and so far
above the noise that noise alone is hardly ever loud for 15 ms.

If a tenth is digital silence, and S < N + 20 over all frequencies, all that is not silent is sound,
as in sound that a computer made: the level is 0.

Sounds are taken for speech if more than half of their power in the band, without the lowest
channel, lies below 1.5 kHz, and either they are voiced or their contrast reaches above 3 kHz, as
that of consonants does. They are voiced if the lowest channel, where the fundamental of a voice
is, has a contrast of max(e) / 3 or more and a power within 25 dB of that of the strongest. Most
calls of owls, doves and frogs do neither. Speech is joined over gaps of less than 100 ms, as long
as stops such as a p or a t are silent, and not cut at dips; other sounds are joined over gaps of
less than 5 ms. Below 1,000 samples per second, which have few channels, all frequencies count.
"""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from seqlayers.audio import loudness
from seqlayers.audio.segment_search import Search

FRAME, CHANNEL = 0.016, 250.0  # seconds; Hz
NOISE, SOUND = 10, 90  # percentiles
FEWEST = 10  # frames that show that there is no contrast
MARGIN, STEADY = 10.0, 20.0  # dB: of a channel over its noise; of sound in digital silence
RANGE = 60.0  # dB from the strongest channel to those that are not heard
SILENCE = float(np.finfo("float32").tiny)
SHARE = 1 / 5  # of the largest contrast, that a channel of the band has
RUN_SHARE = 1 / 2  # of the largest sum of contrasts, that a run of the band has
VOICED, FUNDAMENTAL = 1 / 3, 25.0  # of the largest contrast; dB from the strongest channel
FARTHEST = 80.0  # dB from the sound to the noise
PIECE, RAISED = 2.0, 5.0  # seconds; dB
DEVIATIONS, FRACTION = 5, 1 / 4  # of noise, and of the way from noise to sound
DIP = 15.0  # dB, the least that parts sounds
VOICE, CONSONANTS = 1500.0, 3000.0  # Hz: above the power of speech; below the end of its band
LOWEST_RATE = 1000  # Hz
SPEECH, OTHER = 100.0, 5.0  # milliseconds of gaps over which sounds are joined
LOWEST, STEP, BINS = -200.0, 0.5, 600  # dB of the bins of histograms of power


class Contrast(NamedTuple):
    """The measured noise and sound of a recording, and rules with the level between them.

    Attributes:
        rules: `SegmentRules` with `level`, `band` and `min_spacing`.
        noise: Loudness N of the noise.
        sound: Loudness S of the sound; `noise` if nothing is louder than noise.
        percentile: Percentile of the loudness that the level is.
        raised: Share of the recording in pieces of about 2 s whose own 10th percentile of the
            loudness is above N + 5, as noise that changes raises it.
    """

    rules: Any
    noise: float
    sound: float
    percentile: float
    raised: float


def estimate(read, rate, rules):
    """Estimates the level of a recording, and the band and the spacing that `rules` leave open.

    Args:
        read: Function that returns an iterator over the samples in blocks, float32 `(n,)`.
        rate: Samples per second.
        rules: `SegmentRules` with `method="contrast"`.

    Returns:
        `Contrast`. The recording is read twice, or once if `rules` have both; once more if a tenth
        of it is digital silence.
    """
    band, spacing, steady = rules.band, rules.min_spacing, False
    if band is None or spacing is None:
        channels = Channels(read(), rate)
        low, high, speech = channels.band(band)
        enough = channels.num_frames >= FEWEST
        steady = band is None and enough and not channels.contrast.any()
        if band is None and rate >= LOWEST_RATE and channels.counts.any():
            band = (low, high if high < rate / 2 else None)
        if spacing is None:
            spacing = SPEECH if speech else OTHER
    fixed = {"method": "percentile", "min_spacing": spacing, "level": 0.0}
    found, silent, loudest = _measured(read, rate, dataclasses.replace(rules, band=band, **fixed))
    if silent:
        whole, silent, _ = _measured(read, rate, dataclasses.replace(rules, **fixed))
        if silent and whole.sound < whole.noise * 10 ** (STEADY / 20):
            return whole._replace(rules=dataclasses.replace(rules, **fixed), percentile=NOISE)
    elif steady:
        above = dataclasses.replace(found.rules, level=loudest * (1 + 2**-10))
        return found._replace(rules=above, sound=found.noise, percentile=100)
    return found


def _measured(read, rate, rules):
    """Returns the `Contrast` in a band, whether a tenth is digital silence, and the loudest."""
    search = Search(rate, rules)
    floors: list[tuple[float, int]] = []  # noise and length of each piece
    histogram = loudness.Histogram(_with_floors(search.loudness(read()), rate, floors))
    noise = float(histogram.percentile(NOISE, above=SILENCE))
    low, high = rules.band or (0, None)
    width = (high or rate / 2) - low
    margin = (1 + 0.76 / np.sqrt(2 * width * search.width / rate)) ** DEVIATIONS
    sound = float(histogram.percentile(SOUND, above=noise * margin)) or noise
    noise = max(noise, sound * 10 ** (-FARTHEST / 20))
    level = noise * max(margin, (sound / noise) ** FRACTION) if noise else 0.0
    below = 100 * histogram.share_below(level)
    dip = rules.dip
    if dip is None and noise and rules.min_spacing < SPEECH:
        dip = max(DIP, 20 * np.log10(sound / noise) / 2)
    rules = dataclasses.replace(rules, level=level, dip=dip)
    silent = histogram.percentile(NOISE) < SILENCE
    above = noise * 10 ** (RAISED / 20)
    lengths = [length for floor, length in floors if floor > above]
    raised = sum(lengths) / max(1, sum(length for _, length in floors))
    return Contrast(rules, noise, sound, below, raised), silent, float(histogram.percentile(100))


def _with_floors(blocks, rate, floors):
    """Yields the loudness, and appends the noise and the length of each piece of it."""
    for a in blocks:
        pieces = np.array_split(a, max(1, round(len(a) / (PIECE * rate))))
        floors += [(float(np.percentile(piece, NOISE)), len(piece)) for piece in pieces]
        yield a


def describe(rules, noise, sound):
    """Returns the measured loudness of a recording as text, in dB below full scale.

    Args:
        rules: `SegmentRules` with a level.
        noise, sound: As in `Contrast`.
    """
    named = {"noise": noise, "level": rules.level, "sound": sound}
    levels = [f"{k} {20 * np.log10(v):.1f} dB" if v else f"no {k}" for k, v in named.items()]
    low, high = rules.band or (0, None)
    return f"{', '.join(levels)} {f'{low:.0f} to {high:.0f}' if high else f'above {low:.0f}'} Hz"


class Channels:
    """Histograms of the power of a recording in channels of frequencies.

    Args:
        blocks: Iterator over the samples in blocks, float arrays `(n,)`.
        rate: Samples per second.
    """

    def __init__(self, blocks, rate):
        length = max(8, 2 * round(FRAME * rate / 2))
        bins = length // 2  # without that of 0 Hz
        per_channel = min(bins, max(1, round(CHANNEL * length / rate)))
        count = bins // per_channel
        self.edges = (0.5 + per_channel * np.arange(count + 1)) * rate / length
        self.edges[-1] = rate / 2
        self.counts = np.zeros((count, BINS), "int64")
        self.power, self.num_frames = np.zeros(count), 0
        window = np.hanning(length + 1)[:-1]
        for frames in _frames(blocks, length):
            bins = np.square(np.abs(np.fft.rfft(frames * window)))[:, 1 : 1 + per_channel * count]
            power = bins.reshape(len(frames), count, per_channel).mean(axis=2)
            self.power += power.sum(axis=0)
            self.num_frames += len(frames)
            self._count(power)
        self.power /= max(1, self.num_frames)
        self.levels = LOWEST + STEP * (0.5 + np.arange(BINS))  # dB
        self.noise = self.levels[_ranks(self.counts, NOISE)]
        rise = np.maximum(0, self.levels - self.noise[:, None] - MARGIN)
        contrast = (self.counts * rise).sum(axis=1) / np.maximum(1, self.counts.sum(axis=1))
        self.sound = np.maximum(0, self.power - 10 ** (self.noise / 10))
        heard = self.sound >= self.sound.max() * 10 ** (-RANGE / 10)
        self.contrast = np.where(heard, contrast, 0)

    def band(self, given=None):
        """Returns the edges in Hz of the channels with contrast, and whether it is that of speech.

        Args:
            given: Pair of edges that are kept, the higher one of which may be None.
        """
        e, low, high = self.contrast, self.edges[0], self.edges[-1]
        if e.any():
            above = np.append(0, e[1:])
            low, high = self._reach(above if above.max() >= max(SILENCE, SHARE * e[0]) else e)
        consonants = high > CONSONANTS
        if given is not None:
            low, high = given[0], given[1] or self.edges[-1]
        middles = (self.edges[:-1] + self.edges[1:]) / 2
        power = np.where((low <= middles) & (middles <= high), self.sound, 0)[1:]
        strong = self.sound[0] >= self.sound.max() * 10 ** (-FUNDAMENTAL / 10)
        voiced = e.any() and e[0] >= VOICED * e.max() and strong
        deep = power[middles[1:] < VOICE].sum() > power.sum() / 2
        speech = bool(deep and (voiced or consonants))
        if speech and voiced and given is None:
            low = self.edges[0]
        return float(low), float(high), speech

    def _reach(self, e):
        """Returns the edges in Hz of the runs of channels with the most contrast."""
        inside = e >= SHARE * e.max()
        runs = np.flatnonzero(np.diff(inside, prepend=False, append=False)).reshape(-1, 2)
        sums = np.concatenate([[0], np.cumsum(e)])
        sums = sums[runs[:, 1]] - sums[runs[:, 0]]
        strong = runs[sums >= RUN_SHARE * sums.max()]
        return self.edges[strong[0, 0]], self.edges[strong[-1, 1]]

    def _count(self, power):
        sounding = power > 10 ** (LOWEST / 10)
        bins = ((10 * np.log10(np.where(sounding, power, 1)) - LOWEST) / STEP).astype(int)
        bins = np.minimum(bins, BINS - 1) + BINS * np.arange(len(self.counts))
        more = np.bincount(bins[sounding], minlength=self.counts.size)
        self.counts += more.reshape(self.counts.shape)


def _frames(blocks, length):
    """Yields overlapping frames `(T, length)` of a recording, at least one, by halves."""
    hop, held, none = length // 2, np.zeros(0), True
    for block in loudness.even(blocks):
        held = np.concatenate([held, block.astype("float64")])
        T = max(0, (len(held) - length) // hop + 1)
        if T:
            yield np.lib.stride_tricks.sliding_window_view(held, length)[::hop][:T]
            held, none = held[T * hop :], False
    if none:
        yield np.pad(held, (0, length - len(held)))[None]


def _ranks(counts, q):
    """Returns in which bin of each histogram the percentile lies; the first one of nothing."""
    sums = np.cumsum(counts, axis=1)
    return np.argmax(sums > q / 100 * (sums[:, -1:] - 1), axis=1)

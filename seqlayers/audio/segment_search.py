"""The search for segments in the loudness of a recording, block by block. See `segments`."""

import numpy as np

from seqlayers.audio import loudness
from seqlayers.audio.segment_dips import Dips

OTHER_THRESHOLDS = (*range(5, 96, 5), 96, 97, 98, 99)  # tried where there is no segment
LONGEST = 2**60  # samples; NumPy counts further, but sums must not overflow


class Search:
    """Rules of segments at one sample rate, with lengths in samples.

    Args:
        rate: Samples per second.
        rules: `SegmentRules`.

    Raises:
        ValueError: If the rules do not fit the sample rate.
    """

    def __init__(self, rate, rules):
        self.rate, self.rules = rate, rules
        if 0 < rules.window * rate < 1000:
            raise ValueError(
                f"`window` must be at least one sample, {1000 / rate:g} ms at {rate} samples per "
                f"second. Received: window={rules.window}."
            )
        self.width = self._samples(rules.window) | 1
        self.buffer = self._samples(rules.buffer)
        self.spacing = self._samples(rules.min_spacing or 0)  # estimated elsewhere if None
        self.least, self.most = self._samples(rules.min_length), self._samples(rules.max_length)
        if self.most < 1:
            raise ValueError(
                f"`max_length` must be at least one sample, {1000 / rate:g} ms. "
                f"Received: max_length={rules.max_length}."
            )
        self.band = None
        if rules.band is not None:
            low, high = rules.band
            if low >= rate / 2 or (high is not None and high > rate / 2):
                raise ValueError(
                    f"`band` must {'start' if low >= rate / 2 else 'end'} below half the sample "
                    f"rate, {rate / 2:g} Hz. Received: band={rules.band!r}."
                )
            high = rate / 2 if high is None else high
            self.band = loudness.band_filter(low, high, rate)

    def loudness(self, blocks):
        """Yields the loudness of a recording in blocks."""
        return loudness.smoothed(blocks, self.width, self.band)

    def runs(self, smoothed, level):
        """Returns the runs `(R, 2)` of loud samples within the limits.

        With them come the numbers of runs that are too short and too long, and that of samples.

        Args:
            smoothed: Function that returns an iterator over the loudness in blocks.
            level: Loudness from which on samples are loud.
        """
        (scan,) = self._scans(smoothed, [level])
        return scan.finish(), tuple(map(int, scan.dropped)), scan.num_samples

    def advice(self, smoothed, percentile, level):
        """Returns a sentence on what to change where `runs` finds none at a level.

        With it comes a dictionary of the threshold and the level that it names; empty if it names
        none.
        """
        if not percentile(100):
            if self.rules.band is not None:
                return "It is silent in `band`.", {}
            return "It is silent: all its samples are 0.", {}
        levels = percentile(OTHER_THRESHOLDS)
        counts = [len(scan.finish()) for scan in self._scans(smoothed, levels)]
        found = [n for n, count in enumerate(counts) if count]
        if not found:
            sentence = (
                "Nor is there with a `threshold` of 5, 10, .. 95, 96, .. 99: change `min_length` "
                "or `max_length`."
            )
            return sentence, {}
        # The nearest threshold; if the level was given, that of the nearest level.
        far = [abs(levels[n] - level) for n in found]
        if self.rules.level is None:
            far = [abs(OTHER_THRESHOLDS[n] - self.rules.threshold) for n in found]
        n = found[int(np.argmin(far))]
        threshold, level = OTHER_THRESHOLDS[n], float(levels[n])
        sentence = (
            f"A `threshold` of {threshold}, which is a `level` of {level:.3g}, would find "
            f"{counts[n]}."
        )
        return sentence, {"suggested_threshold": threshold, "suggested_level": level}

    def kept(self, runs):
        """Returns the runs of accepted lengths, and how many are too short and too long.

        Runs that are too long are dropped or cut, by the rules.
        """
        starts, lengths = runs[:, 0], runs[:, 1] - runs[:, 0]
        if self.rules.long == "split":
            pieces = -(-lengths // self.most)
            starts, lengths = np.repeat(starts, pieces), np.repeat(lengths, pieces)
            place = np.arange(len(starts)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
            pieces = np.repeat(pieces, pieces)
            cuts = [starts + lengths * (place + k) // pieces for k in (0, 1)]
            runs = np.stack(cuts, axis=1)
            lengths = runs[:, 1] - runs[:, 0]
        short, long = lengths < self.least, lengths > self.most
        return runs[~short & ~long], np.array([short.sum(), long.sum()])

    def padded(self, runs, num_samples):
        """Returns runs with their buffers, which neither leave the recording nor overlap."""
        middles = (runs[:-1, 1] + runs[1:, 0]) // 2
        starts = np.maximum(runs[:, 0] - self.buffer, np.concatenate([[0], middles]))
        ends = np.minimum(runs[:, 1] + self.buffer, np.concatenate([middles, [num_samples]]))
        return np.stack([starts, ends], axis=1)

    def _scans(self, smoothed, levels):
        scans, dips = [_Scan(level, self) for level in levels], None
        if self.rules.dip is not None:
            dips = Dips(self.rate, self.rules.dip, 3 * self.spacing)
        for a in smoothed():
            cuts = dips.feed(a) if dips else []
            for scan in scans:
                scan.feed(a, cuts)
        return scans

    def _samples(self, milliseconds):
        return round(min(milliseconds * self.rate / 1000, LONGEST))


class _Scan:
    """Finds runs of loud samples, joins, cuts and drops them by the rules, block by block."""

    def __init__(self, level, search):
        # However low the level, silence is below it.
        self.level = np.maximum(np.float32(level), np.finfo("float32").tiny)
        self.search = search
        self.num_samples, self.loud = 0, False
        self.edges = np.zeros(0, "int64")  # start, end, start, .. of runs that may yet be joined
        self.found, self.dropped = [], np.zeros(2, "int64")  # too short, too long
        self.cuts = np.zeros(0, "int64")  # of runs that are not found yet

    def feed(self, a, cuts):
        self.cuts = np.append(self.cuts, np.array(cuts, "int64"))
        loud = a >= self.level
        edges = self.num_samples + np.flatnonzero(np.diff(loud, prepend=self.loud))
        self.num_samples, self.loud = self.num_samples + len(a), loud[-1]
        edges = np.concatenate([self.edges, edges])
        last = 2 * max(0, (len(edges) - 1) // 2)  # where the last run starts
        gaps = edges[1 : last + 1].reshape(-1, 2)
        gaps = gaps[gaps[:, 1] - gaps[:, 0] >= self.search.spacing]
        edges = np.concatenate([edges[:1], gaps.ravel(), edges[last + 1 :]])
        last = 2 * len(gaps)
        self._keep(edges[:last])
        self.edges = edges[last:]

    def finish(self):
        """Returns all runs `(R, 2)`."""
        edges = np.append(self.edges, self.num_samples) if self.loud else self.edges
        self._keep(edges)
        self.edges, self.loud = edges[:0], False
        return np.concatenate(self.found)

    def _keep(self, edges):
        if len(edges):
            inside = np.searchsorted(edges, self.cuts, side="right") % 2 == 1
            passed = self.cuts < edges[-1]
            cuts = self.cuts[inside & passed & ~np.isin(self.cuts, edges)]
            edges, self.cuts = np.sort(np.concatenate([edges, cuts, cuts])), self.cuts[~passed]
        runs, dropped = self.search.kept(edges.reshape(-1, 2))
        self.found.append(runs)
        self.dropped += dropped

"""Dips in the loudness of a recording, between sounds that an echo or noise joins.

With a the loudness at each millisecond, let p be its greatest value since the last dip. A dip
begins where a falls below p / d, with d the depth as a factor, and ends where a rises above d times
its least value since. A dip that is long enough parts the sounds around it at that least value.
"""


class Dips:
    """Finds dips in the loudness of a recording, block by block.

    Args:
        rate: Samples per second.
        depth: Depth in dB.
        length: Shortest length in samples.
    """

    def __init__(self, rate, depth, length):
        self.step, self.factor = max(1, round(rate / 1000)), 10 ** (depth / 20)
        self.length, self.num_samples = length, 0
        self.peak, self.began = 0.0, None  # greatest value; where the dip began, if there is one
        self.least, self.at = 0.0, 0  # least value in the dip, and where it is

    def feed(self, a):
        """Returns where dips that end in a block part sounds, in samples from the first one on."""
        first, step = -self.num_samples % self.step, self.step
        place, factor = self.num_samples + first, self.factor
        self.num_samples += len(a)
        peak, began, least, at, found = self.peak, self.began, self.least, self.at, []
        for value in a[first::step].tolist():
            if began is None:
                if value > peak:
                    peak = value
                elif value * factor < peak:
                    began, least, at = place, value, place
            elif value < least:
                least, at = value, place
            elif value > factor * least:
                if place - began >= self.length:
                    found.append(at)
                began, peak = None, value
            place += step
        self.peak, self.began, self.least, self.at = peak, began, least, at
        return found

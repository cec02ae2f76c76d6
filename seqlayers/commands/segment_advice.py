"""Lines of `seqlayers segment` on the segments of a recording, with advice where few are found."""

import numpy as np

from seqlayers.audio.contrast import RAISED, SPEECH, describe
from seqlayers.checks import counted

LITTLE, NEARLY_ALL = 0.01, 0.9  # of the duration of a recording
UNSTEADY = 0.05  # of the pieces of a recording
FAINT = 10  # dB of the sound over the noise


def summary(found):
    """Returns a line on the segments of a recording.

    Args:
        found: `audio.Segments`.
    """
    length = np.diff(found.times).sum()
    line = f"{counted(len(found.times), 'segment')}, {length:.3f} of {found.duration:.3f} s"
    if found.noise is None:
        return line
    measured = describe(found.rules, found.noise, found.sound)
    joined = f"joined below {found.rules.min_spacing:g} ms"
    if found.rules.min_spacing == SPEECH:
        joined += ", as speech is; for calls, set --min-spacing 5"
    return f"{line}; {measured}, {joined}"


def advice(found, rate):
    """Returns sentences on what to try: where little is found, nearly everything, or noise.

    Args:
        found: `audio.Segments`.
        rate: Samples per second.
    """
    share, rules, sentences = np.diff(found.times).sum() / found.duration, found.rules, []
    if sum(found.dropped) > len(found.times):
        short, long = found.dropped
        sentences.append(
            f"Most sounds above the level are dropped: {short} shorter than --min-length "
            f"{rules.min_length:g}, {long} longer than --max-length {rules.max_length:g}. Change "
            "these to keep them."
        )
    if share < LITTLE:
        sentences.append(
            f"Little is found, {share:.1%} of the recording. If sounds are missing, "
            f"{_other(found, rate, 3)}."
        )
    if share > NEARLY_ALL:
        sentences.append(
            f"Nearly everything is found, {share:.1%} of the recording. If noise is among it, "
            f"{_other(found, rate, 1 / 2)}."
        )
    if found.noise and found.sound < found.noise * 10 ** (FAINT / 20):
        above = 20 * np.log10(found.sound / found.noise)
        sentences.append(
            f"The sound is only {above:.1f} dB above the noise; set --band to where it is."
        )
    if found.noise and not found.level:
        sentences.append(
            "All that is not digital silence is taken for sound. If noise is among it, set --band "
            "to where the sounds are."
        )
    if found.raised and found.raised > UNSTEADY and rules.min_spacing < SPEECH:
        sentences.append(
            f"In {found.raised:.0%} of the recording, the noise is {RAISED:g} dB or more above "
            "the rest, or sounds have no pause. If noise is found, cut the recording where it "
            "changes, or set --band."
        )
    return sentences


def _other(found, rate, factor):
    """Returns what to try to find about `factor` times as much."""
    threshold = np.clip(100 - factor * (100 - found.percentile), 5, 99.9)
    if found.noise is None:
        return f"try --threshold {threshold:.3g} in place of {found.percentile:g}, or --band"
    low, high = found.rules.band or (0, None)
    return (
        f"set --band to where they are, or try --threshold {threshold:.3g} --band {low:.0f} "
        f"{high or rate / 2:.0f} --max-length {found.rules.max_length:g}; the level is the "
        f"percentile {found.percentile:.3g} of the loudness"
    )

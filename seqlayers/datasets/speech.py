"""Speech with labelled phones: the sample of TIMIT, CMU ARCTIC, and five sentences that ship.

An utterance is a recorded sentence: its samples, and its phones as segments. Five sentences of
ARCTIC ship with the package; `data/NOTICE.md` has their terms. More of ARCTIC, and TIMIT, are read
from files of your own with the same layout, which the notice describes.

Frame t of an utterance is labelled with the phone at its centre, t H + L / 2, with frame length L
and hop length H as in `audio`: the label of the last segment that starts there or before. A gap and
the end of an utterance thus belong to the segment before, the beginning to the first segment.

Phones are folded as in K.-F. Lee and H.-W. Hon, Speaker-Independent Phone Recognition Using Hidden
Markov Models, 1989: 61 of TIMIT to 48 that are modelled to 39 that are scored.
"""

from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from seqlayers import audio
from seqlayers.checks import check_choice, check_integer
from seqlayers.datasets.arrays import INTEGERS, TEXTS, Array, read_arrays
from seqlayers.files import FileError, check_regular_file

# From a phone of 61 to those of 48 and of 39, where names differ. The glottal stop q has none.
_FOLDED = {
    "ao": "ao aa",
    "ax": "ax ah",
    "ax-h": "ax ah",
    "axr": "er er",
    "bcl": "vcl sil",
    "dcl": "vcl sil",
    "el": "el l",
    "em": "m m",
    "en": "en n",
    "eng": "ng ng",
    "epi": "epi sil",
    "gcl": "vcl sil",
    "h#": "sil sil",
    "hv": "hh hh",
    "ix": "ix ih",
    "kcl": "cl sil",
    "nx": "n n",
    "pau": "sil sil",
    "pcl": "cl sil",
    "tcl": "cl sil",
    "ux": "uw uw",
    "zh": "zh sh",
}

TIMIT_PHONES = tuple(
    "aa ae ah ao aw ax ax-h axr ay b bcl ch d dcl dh dx eh el em en eng epi er ey f g gcl h# hh hv "
    "ih ix iy jh k kcl l m n ng nx ow oy p pau pcl q r s sh t tcl th uh uw ux v w y z zh".split()
)
ARCTIC_PHONES = tuple(
    "aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p pau r s sh t th uh "
    "uw v w y z zh".split()
)

HIGHEST_RATE = 655_350  # in Hz; that of libsndfile

_ARRAYS = {
    "sample_rate": Array("iu", axes=0),
    "audio": Array("i", item_bytes=2),
    "lengths": INTEGERS,
    "ids": TEXTS,
    "text": TEXTS,
    "phone_set": TEXTS,
    "phone_label": INTEGERS,
    "phone_start": INTEGERS,
    "phone_end": INTEGERS,
    "phone_counts": INTEGERS,
}
_WORDS = {"word": TEXTS, "word_start": INTEGERS, "word_end": INTEGERS, "word_counts": INTEGERS}


class Segment(NamedTuple):
    """A phone or word.

    Attributes:
        start: Its first sample.
        end: The first sample after it.
        label: The phone or word.
    """

    start: int
    end: int
    label: str


class Utterance(NamedTuple):
    """A recorded sentence.

    Attributes:
        speaker: Name of the speaker, such as `"dr1-fvmh0"`: in TIMIT the dialect region, f for
            female or m for male, and initials.
        sentence: Name of the sentence, such as `"sx116"`; several speakers may read it.
        text: The sentence in words.
        samples: float32 `(N,)`, full scale is 1.
        sample_rate: Sample rate in Hz.
        phones: Tuple of `Segment`.
        words: Tuple of `Segment`, which may overlap; empty where words are not labelled.
    """

    speaker: str
    sentence: str
    text: str
    samples: Any
    sample_rate: int
    phones: Any
    words: Any


class Fold(NamedTuple):
    """Utterances split by speaker or by sentence.

    Attributes:
        train: Utterances of some speakers, or some sentences.
        test: Utterances of all others.
    """

    train: Any
    test: Any


def load_examples():
    """Loads the five sentences that ship, by one speaker of CMU ARCTIC; 14 seconds in all.

    All phones of the last sentence occur in the four before it.

    Returns:
        List of `Utterance`, with the labels of `ARCTIC_PHONES`.

    Example:
        >>> [utterance.text for utterance in load_examples()][2]
        'Shall I carry you.'
    """
    path = resources.files("seqlayers.datasets") / "data" / "arctic_slt.npz"
    with path.open("rb") as file:
        return _load(file, path, ARCTIC_PHONES, lambda name: ("slt", name))


def load_arctic(path):
    """Loads sentences by the speaker slt of CMU ARCTIC.

    Args:
        path: The file `arctic_slt_103.npz`, with 103 sentences, or one with the same layout.

    Returns:
        List of `Utterance`, with the labels of `ARCTIC_PHONES`.

    Raises:
        FileError: If the file is damaged or holds anything else. A kind of ValueError.
        OSError: If the file does not exist or cannot be read.

    Example:
        >>> utterances = load_arctic("arctic_slt_103.npz")
        >>> train, test = utterances[:50], utterances[50:]
    """
    check_regular_file(path)
    with open(path, "rb") as file:
        return _load(file, path, ARCTIC_PHONES, lambda name: ("slt", name))


def load_timit(path, sa=False):
    """Loads the sample of TIMIT: 16 speakers, 10 sentences each.

    Its terms are for non-commercial use, so it does not ship with the library.

    Args:
        path: The file `timit_sample.npz`.
        sa: Whether to include the two sentences that all speakers read. By default they are left
            out, as is usual, since a model could memorise them.

    Returns:
        List of `Utterance`, with the labels of `TIMIT_PHONES`; 128, or 160 with the `sa` sentences.

    Raises:
        FileError: If the file is damaged or holds anything else. A kind of ValueError.
        OSError: If the file does not exist or cannot be read.

    Example:
        >>> utterances = load_timit("timit_sample.npz")
        >>> utterances[0].speaker, utterances[0].phones[0]
        ('dr1-fvmh0', Segment(start=0, end=8920, label='h#'))
    """
    check_regular_file(path)
    with open(path, "rb") as file:
        utterances = _load(file, path, TIMIT_PHONES, _timit_name)
    return [u for u in utterances if sa or not u.sentence.startswith("sa")]


def folds(utterances, num_folds=5, seed=0, by="speaker"):
    """Splits utterances by speaker or by sentence, for cross-validation.

    For a validation part, split `train` of a fold again.

    Args:
        utterances: List of `Utterance`.
        num_folds: Number of folds, at least 2 and at most the number of speakers.
        seed: Non-negative integer, the seed of the shuffling of speakers.
        by: `"speaker"`; or `"sentence"`, for one speaker, or so that no sentence of `test` was read
            by anybody in `train`. Then all that is said of speakers holds for sentences.

    Returns:
        List of `Fold(train, test)`, lists of utterances in their original order. Each speaker is in
        `test` of exactly one fold; the folds differ by at most one in their number of speakers.

    Raises:
        ValueError: If there are fewer speakers than folds, a number is out of range, or `by` is
            neither.

    Example:
        >>> [len(test) for _, test in folds(load_timit("timit_sample.npz"))]
        [32, 24, 24, 24, 24]
    """
    check_choice("by", by, ("speaker", "sentence"))
    groups = sorted({getattr(utterance, by) for utterance in utterances})
    if check_integer("num_folds", num_folds, least=2) > len(groups):
        raise ValueError(
            f"`num_folds` must be at most {len(groups)}, the number of {by}s. "
            f"Received: num_folds={num_folds}."
        )
    rng = np.random.default_rng(check_integer("seed", seed, least=0))
    order = rng.permutation(len(groups))
    fold_of = {groups[i]: n % num_folds for n, i in enumerate(order)}
    return [
        Fold(
            [u for u in utterances if fold_of[getattr(u, by)] != n],
            [u for u in utterances if fold_of[getattr(u, by)] == n],
        )
        for n in range(num_folds)
    ]


def frame_labels(utterance, names, frame_length=None, hop_length=None):
    """Labels each frame with the phone at its centre.

    Args:
        utterance: An `Utterance`.
        names: List of all labels, such as `TIMIT_PHONES`; labels are indices into it.
        frame_length, hop_length: Numbers of samples; 25 ms and 10 ms if None.

    Returns:
        int32 array `(T,)`, for the T frames that `audio.log_mel` and `audio.mfcc` return.

    Raises:
        ValueError: If a label is not in `names`, or there are no phones.

    Example:
        >>> labels = frame_labels(load_examples()[2], ARCTIC_PHONES)
        >>> [ARCTIC_PHONES[n] for n in labels[::16]]
        ['pau', 'sh', 'ae', 'ay', 'k', 'r', 'y', 'uw', 'pau', 'pau']
    """
    L, H = audio.frame_lengths(utterance.sample_rate, frame_length, hop_length)
    T = audio.num_frames(len(utterance.samples), L, H)
    index = {name: n for n, name in enumerate(names)}
    unknown = sorted({phone.label for phone in utterance.phones} - set(index))
    if unknown or not utterance.phones:
        raise ValueError(
            "`utterance` must have phones, all of them among `names`. "
            f"Received: {', '.join(unknown) or 'no phones'}."
        )
    labels = np.array([index[phone.label] for phone in utterance.phones], "int32")
    starts = np.array([phone.start for phone in utterance.phones])
    segment = np.searchsorted(starts, np.arange(T) * H + L / 2, side="right") - 1
    return labels[np.maximum(segment, 0)]


def fold_phones(phones, num_phones=39):
    """Folds the 61 phones of TIMIT to the 48 or 39 of Lee and Hon.

    Closures become `cl` and `vcl` (48) or silence (39), and variants become one phone. The glottal
    stop `q` is removed, so the result may be shorter.

    Args:
        phones: Names of `TIMIT_PHONES`, in any number and order.
        num_phones: 48 or 39.

    Returns:
        List of names.

    Raises:
        ValueError: If a phone is not one of TIMIT's, or `num_phones` is neither 48 nor 39.

    Example:
        >>> fold_phones(["h#", "q", "ix", "tcl", "t"]), fold_phones(["tcl", "ix"], 48)
        (['sil', 'ih', 'sil', 't'], ['cl', 'ix'])
    """
    if num_phones not in (48, 39):
        raise ValueError(f"`num_phones` must be 48 or 39. Received: num_phones={num_phones!r}.")
    unknown = sorted(set(phones) - set(TIMIT_PHONES))
    if unknown:
        raise ValueError(
            f"`phones` must be among TIMIT's 61. Received: {', '.join(map(str, unknown))}."
        )
    column = 0 if num_phones == 48 else 1
    return [
        _FOLDED[phone].split()[column] if phone in _FOLDED else phone
        for phone in phones
        if phone != "q"
    ]


def _load(file, path, names, speaker_and_sentence):
    try:
        return _utterances(read_arrays(file, _ARRAYS, _WORDS), names, speaker_and_sentence)
    except ValueError as error:
        reason = f"not a file of labelled speech, or a damaged one: {error}"
        raise FileError(reason, path) from error


def _utterances(data, names, speaker_and_sentence):
    rate = check_integer("sample_rate", data["sample_rate"].item(), most=HIGHEST_RATE)
    unknown = sorted(set(data["phone_set"].tolist()) - set(names))
    if unknown:
        raise ValueError(f"phones of another corpus, {', '.join(unknown[:5])}")
    columns = {name: len(data[name]) for name in ("ids", "text", "lengths")}
    if len(set(columns.values())) > 1:
        raise ValueError(f"there must be a name, a text and a length for each recording: {columns}")
    if not columns["ids"]:
        raise ValueError("there are no recordings")
    lengths = _counts("lengths", data["lengths"], len(data["audio"]), "samples", least=1)
    phone_set, labels = data["phone_set"], data["phone_label"]
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(phone_set):
        raise ValueError(f"`phone_label` must be places in `phone_set`, 0 to {len(phone_set) - 1}")
    recordings = _cut(data["audio"], lengths)
    phones = _segments(data, "phone", phone_set[labels], lengths)
    words = [()] * len(recordings)
    if "word" in data:
        words = _segments(data, "word", data["word"], lengths)
    rows = zip(data["ids"].tolist(), data["text"].tolist(), recordings, phones, words, strict=True)
    utterances = []
    for name, text, recording, phones_of_it, words_of_it in rows:
        speaker, sentence = speaker_and_sentence(name)
        floats = recording.astype("float32") / 2**15
        utterances.append(
            Utterance(speaker, sentence, text, floats, rate, phones_of_it, words_of_it)
        )
    return utterances


def _segments(data, kind, labels, lengths):
    """For each recording a tuple of segments."""
    columns = {f"{kind}_start": data[f"{kind}_start"], f"{kind}_end": data[f"{kind}_end"]}
    if any(len(column) != len(labels) for column in columns.values()):
        raise ValueError(f"there must be a start and an end for each {kind}")
    for name, column in columns.items():
        _check_range(name, column, 0, int(lengths.max()))
    counts = data[f"{kind}_counts"]
    if len(counts) != len(lengths):
        raise ValueError(f"`{kind}_counts` must have a number for each recording")
    counts = _counts(f"{kind}_counts", counts, len(labels), f"{kind}s")
    starts, ends = (column.astype("int64") for column in columns.values())
    recording = np.repeat(np.arange(len(counts)), counts)
    apart = (starts[1:] >= ends[:-1]) | (recording[1:] != recording[:-1]) | (kind == "word")
    if not (apart.all() and (starts < ends).all() and (ends <= lengths[recording]).all()):
        raise ValueError(f"a {kind} lies outside its recording, or over another one")
    rows = [_cut(column, counts) for column in (starts, ends, labels)]
    return [
        tuple(map(Segment, *(column.tolist() for column in columns)))
        for columns in zip(*rows, strict=True)
    ]


def _counts(name, counts, total, of, least=0):
    """Returns counts as int64, if they add up to `total`."""
    _check_range(name, counts, least, total)
    counts = counts.astype("int64")
    if counts.sum() != total:
        raise ValueError(f"`{name}` add up to {counts.sum()} of {total} {of}")
    return counts


def _check_range(name, values, least, most):
    if len(values) and not least <= int(values.min()) <= int(values.max()) <= most:
        raise ValueError(
            f"`{name}` must lie from {least} to {most}. "
            f"Received: from {values.min()} to {values.max()}"
        )


def _cut(flat, lengths):
    return np.split(flat, np.cumsum(lengths)[:-1])


def _timit_name(name):
    speaker, separator, sentence = name.partition("/")
    if not separator or "/" in sentence:
        raise ValueError(f"`ids` must be a speaker and a sentence, as in dr1-fvmh0/sa1: {name!r}")
    return speaker, sentence

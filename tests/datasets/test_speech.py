"""Utterances and their phones are as in the corpora, and so are folds and labels."""

import io
import os
from pathlib import Path

import numpy as np
import pytest

from seqlayers import audio
from seqlayers.datasets import speech
from seqlayers.datasets.speech import ARCTIC_PHONES, TIMIT_PHONES, Segment, Utterance
from seqlayers.files import FileError

SHIPPED = Path(speech.__file__).parent / "data" / "arctic_slt.npz"


@pytest.fixture(scope="module")
def timit(shared_data):
    return speech.load_timit(shared_data / "speech" / "timit_sample.npz", sa=True)


def utterance(phones, num_samples=3000, speaker="a"):
    samples = np.zeros(num_samples, "float32")
    return Utterance(speaker, "one", "", samples, 16000, tuple(Segment(*p) for p in phones), ())


def test_five_sentences_ship():
    utterances = speech.load_examples()
    assert [u.sentence[-4:] for u in utterances] == ["0048", "0095", "0098", "0099", "0013"]
    for u in utterances:
        assert u.speaker == "slt" and u.sample_rate == 16000 and u.words == ()
        assert u.samples.dtype == "float32" and 0.1 < np.abs(u.samples).max() < 1
        assert u.phones[0].start == 0 and u.phones[0].label == u.phones[-1].label == "pau"
        assert 0 < len(u.samples) - u.phones[-1].end < 3200
    learnt = {p.label for u in utterances[:4] for p in u.phones}
    assert learnt == set(ARCTIC_PHONES)
    assert SHIPPED.stat().st_size < 2**20


def test_pauses_that_ship_are_quieter_than_speech():
    for u in speech.load_examples():
        energy = audio.log_energy(u.samples, *audio.frame_lengths(u.sample_rate))
        pause = speech.frame_labels(u, ARCTIC_PHONES) == ARCTIC_PHONES.index("pau")
        assert np.median(energy[pause]) < np.median(energy[~pause]) - 4


def test_what_ships_is_part_of_what_was_recorded(shared_data):
    recorded = {
        u.sentence: u for u in speech.load_arctic(shared_data / "speech" / "arctic_slt_103.npz")
    }
    assert len(recorded) == 103
    for u in speech.load_examples():
        np.testing.assert_array_equal(u.samples, recorded[u.sentence].samples)
        assert u._replace(samples=None) == recorded[u.sentence]._replace(samples=None)


def test_timit_has_its_phones_words_and_speakers(timit):
    assert len(timit) == 160 and len({u.speaker for u in timit}) == 16
    assert {p.label for u in timit for p in u.phones} == set(TIMIT_PHONES)
    assert len(TIMIT_PHONES) == 61
    first = timit[0]
    assert (first.speaker, first.sentence) == ("dr1-fvmh0", "sa1")
    assert first.text == "She had your dark suit in greasy wash water all year."
    assert first.phones[1] == (7812, 9507, "sh")
    assert first.words[0] == (7812, 10610, "she")
    assert sum(len(u.phones) for u in timit) == 6185
    assert sum(len(u.words) for u in timit) == 1394


def test_sentences_that_all_speakers_read_are_left_out(timit, shared_data):
    utterances = speech.load_timit(shared_data / "speech" / "timit_sample.npz")
    expected = [u.sentence for u in timit if u.sentence not in ("sa1", "sa2")]
    assert [u.sentence for u in utterances] == expected
    assert len(utterances) == 128


def test_timit_samples_are_those_of_the_wave_file(timit, shared_data):
    expected = audio.read(shared_data / "wav" / "timit_dr1-fvmh0_sa1.wav").samples
    np.testing.assert_array_equal(timit[0].samples, expected)


def test_every_frame_of_timit_has_a_label(timit):
    for u in timit[:20]:
        labels = speech.frame_labels(u, TIMIT_PHONES)
        assert len(labels) == len(audio.mfcc(u.samples, u.sample_rate))
        assert labels[0] == labels[-1] == TIMIT_PHONES.index("h#")


def test_a_frame_has_the_label_of_its_centre():
    u = utterance([(0, 519, "a"), (519, 520, "b"), (520, 840, "c"), (840, 1000, "a")], 1800)
    # Centres are 200, 360, 520, 680, .. at 400 samples a frame, one every 160.
    labels = speech.frame_labels(u, ["c", "b", "a"])
    assert labels.dtype == "int32"
    np.testing.assert_array_equal(labels, [2, 2, 0, 0, 2, 2, 2, 2, 2])
    expected = [
        next((p.label for p in u.phones if p.start <= t < p.end), "a") for t in range(5, 1796, 7)
    ]
    labels = speech.frame_labels(u, ["a", "b", "c"], 10, 7)
    assert [["a", "b", "c"][n] for n in labels] == expected


def test_gaps_belong_to_the_segment_before():
    u = utterance([(300, 500, "a"), (900, 1000, "b")], 1800)
    labels = speech.frame_labels(u, ["a", "b"])
    np.testing.assert_array_equal(labels, [0, 0, 0, 0, 0, 1, 1, 1, 1])


def test_labels_must_be_known():
    with pytest.raises(ValueError, match="`utterance`.*among `names`.*Received: b, c"):
        speech.frame_labels(utterance([(0, 9, "a"), (9, 20, "c"), (20, 30, "b")]), ["a"])
    with pytest.raises(ValueError, match="no phones"):
        speech.frame_labels(utterance([]), ["a"])


def test_an_utterance_shorter_than_a_frame_has_no_labels():
    assert speech.frame_labels(utterance([(0, 9, "a")], 399), ["a"]).shape == (0,)


def test_nobody_is_both_learned_and_tested():
    utterances = [utterance([], speaker=f"s{n % 16}") for n in range(128)]
    folds = speech.folds(utterances, num_folds=5, seed=3)
    assert sorted(len({u.speaker for u in test}) for _, test in folds) == [3, 3, 3, 3, 4]
    for train, test in folds:
        assert not {u.speaker for u in train} & {u.speaker for u in test}
        assert len(train) + len(test) == 128
    tested = [u for _, test in folds for u in test]
    assert sorted(map(id, tested)) == sorted(map(id, utterances))


def test_folds_depend_on_the_seed_alone():
    utterances = [utterance([], speaker=f"s{n}") for n in range(16)]

    def speakers(utterances, seed):
        return [[u.speaker for u in test] for _, test in speech.folds(utterances, seed=seed)]

    assert speakers(utterances, 0) == speakers(list(utterances), 0)
    assert speakers(utterances, 0) != speakers(utterances, 1)
    backwards = speakers(utterances[::-1], 0)
    assert [sorted(test) for test in backwards] == [sorted(t) for t in speakers(utterances, 0)]


def test_folds_by_sentence_share_no_sentence_but_speakers():
    utterances = [utterance([], speaker=f"s{n % 2}") for n in range(24)]
    utterances = [u._replace(sentence=str(n // 2)) for n, u in enumerate(utterances)]
    folds = speech.folds(utterances, num_folds=5, seed=3, by="sentence")
    assert sorted(len({u.sentence for u in test}) for _, test in folds) == [2, 2, 2, 3, 3]
    for train, test in folds:
        assert not {u.sentence for u in train} & {u.sentence for u in test}
        assert {u.speaker for u in test} == {"s0", "s1"} and len(train) + len(test) == 24
    with pytest.raises(ValueError, match="at most 12, the number of sentences.*num_folds=13"):
        speech.folds(utterances, 13, by="sentence")
    with pytest.raises(ValueError, match='`by` must be "speaker" or "sentence".*word'):
        speech.folds(utterances, by="word")


@pytest.mark.parametrize("num_folds", [1, 17, 2.5])
def test_there_cannot_be_more_folds_than_speakers(num_folds):
    utterances = [utterance([], speaker=f"s{n}") for n in range(16)]
    with pytest.raises(ValueError, match="`num_folds`.*Received"):
        speech.folds(utterances, num_folds)


def test_phones_fold_to_48_and_39():
    for num_phones in (48, 39):
        assert len(set(speech.fold_phones(TIMIT_PHONES, num_phones))) == num_phones
    groups = {}
    for phone in set(TIMIT_PHONES) - {"q"}:
        (folded,) = speech.fold_phones([phone])
        groups.setdefault(folded, set()).add(phone)
    # Table of Lee and Hon: what counts as the same.
    several = [g for g in groups.values() if len(g) > 1]
    expected = (
        "aa ao, ah ax ax-h, er axr, hh hv, ih ix, l el, m em, n en nx, ng eng, sh zh, uw ux, "
        "bcl dcl gcl pcl tcl kcl epi pau h#"
    )
    assert sorted(map(sorted, several)) == sorted(sorted(g.split()) for g in expected.split(", "))
    assert all(name in group or name == "sil" for name, group in groups.items())


def test_folding_to_48_first_changes_nothing():
    by_48 = {}
    for phone in set(TIMIT_PHONES) - {"q"}:
        of_48, of_39 = speech.fold_phones([phone], 48)[0], speech.fold_phones([phone])[0]
        assert by_48.setdefault(of_48, of_39) == of_39
    assert len(by_48) == 48


def test_the_glottal_stop_is_left_out():
    assert speech.fold_phones(["q", "aa", "q", "ao"]) == ["aa", "aa"]
    assert speech.fold_phones([]) == []


def test_folding_knows_only_timit():
    with pytest.raises(ValueError, match="TIMIT's 61.*Received: xx"):
        speech.fold_phones(["aa", "xx"])
    with pytest.raises(ValueError, match="48 or 39.*num_phones=40"):
        speech.fold_phones(["aa"], 40)


def changed(**changes):
    with np.load(SHIPPED) as data:
        data = {**data, **changes}
    file = io.BytesIO()
    np.savez(file, **{name: value for name, value in data.items() if value is not None})
    return file.getvalue()


def shifted(name, at, by):
    with np.load(SHIPPED) as data:
        values = data[name].copy()
    values[at] += by
    return changed(**{name: values})


BROKEN = {
    "empty": lambda: b"",
    "text": lambda: b"la la la",
    "half": lambda: SHIPPED.read_bytes()[:200_000],
    "damaged": lambda: SHIPPED.read_bytes().replace(b"PK\x01\x02", b"PK\x09\x09"),
    "no phones": lambda: changed(phone_counts=None),
    "no samples": lambda: changed(audio=np.zeros(0, "int16")),
    "float samples": lambda: changed(audio=np.zeros(220724)),
    "rate 0": lambda: changed(sample_rate=np.array(0)),
    "objects": lambda: changed(text=np.array(["a", None, "b", "c", "d"], object)),
    "other phones": lambda: changed(phone_set=np.array([f"p{n}" for n in range(41)])),
    "too few names": lambda: changed(phone_set=np.array(["aa", "ae"])),
    "one text": lambda: changed(text=np.array(["a"])),
    "past the end": lambda: shifted("phone_end", -1, 10_000),
    "negative": lambda: shifted("phone_start", 0, -1),
    "overlapping": lambda: shifted("phone_end", 3, 1),
    "backwards": lambda: shifted("phone_start", -1, 100_000),
    "counts": lambda: shifted("phone_counts", 0, 1),
    "lengths": lambda: shifted("lengths", 0, -1),
    "lengths that overflow": lambda: changed(
        lengths=np.array([2**62] * 4 + [220724], "int64"), audio=np.zeros(220724, "int16")
    ),
    "a negative length": lambda: changed(lengths=np.array([-1, 1, 0, 0, 220724])),
    "float lengths": lambda: changed(lengths=np.array([220720.0, 1, 1, 1, 1])),
    "lengths in a square": lambda: changed(lengths=np.ones((2, 2), int)),
    "empty recordings": lambda: changed(lengths=np.array([220724, 0, 0, 0, 0])),
    "places before the first phone": lambda: shifted("phone_label", 0, 200),
    "float places": lambda: changed(phone_label=np.zeros(167)),
    "starts beyond integers": lambda: changed(phone_start=np.full(167, 2**64 - 1, "uint64")),
    "scalars": lambda: changed(audio=np.array(0, "int16")),
    "a rate above all": lambda: changed(sample_rate=np.array(10**12)),
    "a complex rate": lambda: changed(sample_rate=np.array(1j)),
    "some of the words": lambda: changed(word_start=np.zeros(3, int)),
    "pickles": lambda: changed(ids=np.array([{}] * 5)),
    "nothing": lambda: changed(
        **dict.fromkeys(("ids", "text"), np.array([], "U1")),
        **dict.fromkeys(("lengths", "phone_counts", "phone_start"), np.array([], int)),
        **dict.fromkeys(("phone_end", "phone_label"), np.array([], int)),
        audio=np.array([], "int16"),
    ),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_broken_files_are_refused_by_name(tmp_path, data):
    path = tmp_path / "speech.npz"
    path.write_bytes(data())
    with pytest.raises(FileError, match=f"{path}: not a file of labelled speech") as error:
        speech.load_arctic(path)
    assert error.value.path == str(path)


def test_an_array_is_no_file_of_speech(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(ValueError, match="a.npy: not a file of labelled speech"):
        speech.load_timit(tmp_path / "a.npy")


def test_one_corpus_is_not_taken_for_the_other(shared_data):
    with pytest.raises(ValueError, match="phones of another corpus.*ax-h"):
        speech.load_arctic(shared_data / "speech" / "timit_sample.npz")
    with pytest.raises(ValueError, match="not a file of labelled speech"):
        speech.load_timit(SHIPPED)


def test_names_of_timit_are_a_speaker_and_a_sentence(tmp_path):
    path = tmp_path / "speech.npz"
    for name in ("fvmh0", "a/b/c"):
        path.write_bytes(changed(ids=np.array([name] * 5), phone_set=np.array(["aa"] * 41)))
        with pytest.raises(FileError, match="must be a speaker and a sentence"):
            speech.load_timit(path)


@pytest.mark.parametrize("load", [speech.load_arctic, speech.load_timit])
def test_a_pipe_is_refused_unopened(tmp_path, load):
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(FileError, match="pipe.npz: the path must name a regular file"):
        load(tmp_path / "pipe.npz")


def test_a_missing_file_is_an_error_of_the_system(tmp_path):
    for load in (speech.load_arctic, speech.load_timit):
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "missing.npz")

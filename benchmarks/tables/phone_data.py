"""Data of `clstm.py`: corpora, features, folds, chunks, and chunks with masks."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from phone_networks import BANDS

from seqlayers import audio
from seqlayers.datasets import chunking, masking, speech

LENGTH, OVERLAP, BATCH = 100, 20, 16  # of a chunk; chunks of a batch
DELAY = {"heads": 5, "cells": 0, "stack": 5}
PHONES_39 = tuple(sorted(set(speech.fold_phones(speech.TIMIT_PHONES))))


class Corpus(NamedTuple):
    """Labelled speech: how it is read, its labels, and what is either trained on or tested."""

    load: Any
    phones: tuple
    by: str

    def labels(self, utterance):
        """Returns the label of each frame."""
        if self.phones is PHONES_39:
            folded = [s._replace(label=speech.fold_phones([s.label])[0]) for s in utterance.phones]
            utterance = utterance._replace(phones=folded)
        return speech.frame_labels(utterance, self.phones)


CORPORA = {
    "timit": Corpus(speech.load_timit, speech.TIMIT_PHONES, "speaker"),
    "arctic": Corpus(speech.load_arctic, PHONES_39, "sentence"),
}


class Part(NamedTuple):
    """Sentences of a fold: features and labels of each.

    Attributes:
        fit: Those trained on.
        valid: Those that choose the epoch and the dropout.
        test: Those of other speakers, or other sentences of the one speaker.
    """

    fit: list
    valid: list
    test: list


def features(utterances, table):
    """Returns normalised features `(time, features)` of each utterance, speaker by speaker."""

    def of(samples, rate):
        if table == "cells":
            return audio.with_deltas(audio.mfcc(samples, rate), order=1)
        bands = audio.with_deltas(audio.log_mel(samples, rate, BANDS), channels=True)
        return bands.reshape(len(bands), -1)  # band by band, each with its deltas

    frames = [of(u.samples, u.sample_rate) for u in utterances]
    return audio.normalize(frames, [u.speaker for u in utterances])


def parts(utterances, corpus, table, num_folds=5, num_parts=6):
    """Returns the `Part`s of the folds; one of `num_parts` of what is not tested validates."""
    labels = map(corpus.labels, utterances)
    pairs = zip(features(utterances, table), labels, strict=True)
    names = [(u.speaker, u.sentence) for u in utterances]
    data = dict(zip(names, pairs, strict=True))

    def of(some):
        return [data[u.speaker, u.sentence] for u in some]

    folds = []
    for number, (rest, test) in enumerate(speech.folds(utterances, num_folds, by=corpus.by)):
        fit, valid = speech.folds(rest, num_parts, seed=number, by=corpus.by)[0]
        folds.append(Part(of(fit), of(valid), of(test)))
    return folds


def chunks(pairs, length, overlap, delay):
    """Returns the chunks of all sentences, joined: frames, labels, and which labels are scored."""
    cut = [chunking.chunk(*pair, length, overlap, delay) for pair in pairs]
    return [np.concatenate(part) for part in zip(*cut, strict=True)]


def masked_epochs(x, y, weights, epochs, seed):
    """Returns a dataset of the batches of all epochs; order and masks are drawn from the seed."""
    x, y, weights = (tf.constant(each) for each in (x, y, weights))

    def epoch(number):
        seeds = tf.stack([tf.constant(seed, tf.int64), number])
        order = tf.random.experimental.stateless_shuffle(tf.range(len(x)), seeds)

        def chunk(n):
            bands = tf.reshape(x[n], (LENGTH, BANDS + 1, 3))
            bands = masking.mask(bands, number, n, seed=seed)
            return tf.reshape(bands, (LENGTH, -1)), y[n], weights[n]

        return tf.data.Dataset.from_tensor_slices(order).map(chunk).batch(BATCH)

    return tf.data.Dataset.range(epochs).flat_map(epoch).prefetch(2)


def errors(model, pairs, delay):
    """Returns the numbers of frames whose largest logit is not that of their phone, and of all."""
    longest = max(len(labels) for _, labels in pairs) + delay
    x, y, mask = chunks(pairs, longest, delay, delay)  # each sentence is one chunk
    wrong = np.argmax(model.predict(x, batch_size=32, verbose=0), axis=-1) != y
    return int(wrong[mask].sum()), int(mask.sum())

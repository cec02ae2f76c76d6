"""Which phone is it? LSTMs over patches of the spectrum answer, five frames later.

Trains a small recogniser on the sentences that ship, or on a sample of TIMIT; prints how many
frames and phones of other speech it recognises, draws its confusions, and writes a page that plays
sentences beside what it heard. Then it reads a WAV file frame by frame, as from a microphone, and
carries its state along.

The terms of TIMIT do not let it ship. NLTK has a sample of 160 sentences, `nltk.download("timit")`,
the Linguistic Data Consortium all of them, LDC93S1. `speech.load_timit` reads a file of arrays.
"""

import argparse
from pathlib import Path

import keras
import numpy as np

from seqlayers import audio, layers, metrics, plotting, report
from seqlayers.datasets import chunking, speech

RATE, BANDS, DELAY = 16000, 40, 5  # samples a second, bands of a frame, frames to wait
LENGTH, OVERLAP, BATCH = 100, 20, 16  # trained in chunks of a second


def main(timit=None, wav=None, out="runs/phones", quick=False):
    """About three minutes on two cores with TIMIT; with `quick` a test of a few seconds."""
    keras.utils.set_random_seed(0)
    if timit:
        names, (train, test) = speech.TIMIT_PHONES, speech.folds(speech.load_timit(timit))[0]
        train, test = (train[:8], test[:2]) if quick else (train, test)
        print(f"TIMIT: {len(train)} sentences to learn, {len(test)} of other speakers to be asked")
    else:
        names, sentences = speech.ARCTIC_PHONES, speech.load_examples()
        train, test = sentences[:4], sentences[4:]
        print(f"No TIMIT: {len(train)} sentences of ARCTIC to learn, another to be asked")

    normalizer = audio.Normalizer.fit([log_mel(u.samples) for u in train])

    def hear(samples):
        return normalizer.normalize(log_mel(samples))

    chunks = [
        chunking.chunk(hear(u.samples), speech.frame_labels(u, names), LENGTH, OVERLAP, DELAY)
        for u in train
    ]
    x, y, mask = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    model, step = networks(len(names))
    model.compile(
        keras.optimizers.Adam(2e-3, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[metrics.FrameAccuracy()],
    )
    epochs = 2 if quick else 15 if timit else 60
    model.fit(x, y, BATCH, epochs, sample_weight=mask.astype("float32"), verbose=2)

    answers = recognise(model, [hear(u.samples) for u in test])
    labels = [speech.frame_labels(u, names) for u in test]
    right = np.concatenate(labels) == np.concatenate(answers)
    print(f"\nframe accuracy   {right.mean():.3f}, {len(names)} phones, {right.size:,} frames")
    spoken = [phones([phone.label for phone in u.phones], timit) for u in test]
    heard = [phones([names[n] for n in answer], timit) for answer in answers]
    print(f"phone error rate {metrics.phone_error_rate(spoken, heard):.3f}")

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    matrix = np.zeros((len(names), len(names)), int)
    np.add.at(matrix, (np.concatenate(labels), np.concatenate(answers)), 1)
    plotting.save(plotting.confusion_matrix(matrix, names), out / "confusion.png")
    print(f"Confusions: {out / 'confusion.png'}")
    page = report.Page(
        title="Phones, heard by LSTMs over patches of the spectrum",
        summary=f"Frame accuracy {right.mean():.3f} on {len(test)} sentences not trained on.",
        pieces=[
            sentence(utterance, hear(utterance.samples), *pair)
            for utterance, *pair in zip(test, labels, answers, strict=True)
        ][:6],
        label_names=names,
        confusion=report.Confusion(names, matrix),
    )
    report.write(out / "report.html", page)
    print(f"A page to listen to: {out / 'report.html'}")

    if wav is None:
        wav = out / "sentence.wav"
        audio.write(wav, test[0].samples, RATE)
    samples = audio.read(wav, sample_rate=RATE).samples
    print(f"\nListening to {wav}:")
    streamed = []
    for n in listen(step, hear, samples):
        if not streamed or n != streamed[-1]:
            print(names[n], end=" ", flush=True)
        streamed.append(n)
    same = np.array_equal(streamed, recognise(model, [hear(samples)])[0])
    print(f"\n{'The same' if same else 'NOT the same'} as for the whole sentence at once")


def sentence(utterance, frames, truth, answer):
    """Returns a sentence for the page: its sound, its bands, and the true and the heard phones."""
    return report.Piece(
        title=f"{utterance.speaker} {utterance.sentence}",
        group="Other speech",
        frames=frames,
        seconds=audio.frame_lengths(RATE)[1] / RATE,
        sound=(utterance.samples, RATE),
        labels=(truth, answer),
        note=utterance.text,
    )


def log_mel(samples):
    return audio.log_mel(samples, RATE, BANDS, energy=False)


def networks(num_phones):
    """Returns two models of one network: of whole sentences, and of frames with states."""
    keep = {"return_sequences": True, "return_state": True}
    patches = layers.ConvLSTMPatch(16, patch_size=17, patch_stride=1, flatten=True, **keep)
    memory = layers.PeepholeLSTM(160, projection_units=64, **keep)
    dropout, logits = keras.layers.Dropout(0.3), keras.layers.Dense(num_phones)

    def network(x, states=None):
        x, *of_patches = patches(x, initial_state=states and states[:2])
        x, *of_memory = memory(x, initial_state=states and states[2:])
        return logits(dropout(x)), *of_patches, *of_memory

    frames = keras.Input((None, BANDS))
    model = keras.Model(frames, network(frames)[0])
    states = [keras.Input((n,)) for layer in (patches, memory) for n in layer.state_size]
    return model, keras.Model([frames, *states], network(frames, states))


def recognise(model, sentences):
    """Returns the number of a phone for each frame of each sentence."""
    length = max(map(len, sentences)) + DELAY  # each sentence is one chunk
    cut = length, DELAY, DELAY
    x = np.concatenate([chunking.chunk(each, None, *cut).x for each in sentences])
    answers = np.argmax(model.predict(x, verbose=0), axis=-1)
    return [
        chunking.join(answer[None], len(sentence), *cut)
        for answer, sentence in zip(answers, sentences, strict=True)
    ]


def listen(step, hear, samples):
    """Yields the same for one sentence, each answer as soon as there can be one."""
    L, H = audio.frame_lengths(RATE)
    T = audio.num_frames(len(samples), L, H)
    states = [keras.ops.zeros((1, *state.shape[1:])) for state in step.inputs[1:]]
    for t in range(T + DELAY):
        if t < T:  # after the last frame it is heard again, until all answers are there
            frame = keras.ops.convert_to_tensor(hear(samples[t * H : t * H + L])[None], "float32")
        logits, *states = step([frame, *states])
        if t >= DELAY:
            yield np.argmax(logits[0, 0])


def phones(names, timit):
    """Returns the phones to score: TIMIT's 61 folded to 39, each run of one phone as one."""
    return metrics.collapse_repeats(speech.fold_phones(names) if timit else names)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("timit", nargs="?", help="a sample of TIMIT; sentences that ship if none")
    parser.add_argument("--wav", help="a file to listen to; one of the test sentences if not given")
    parser.add_argument("--out", default="runs/phones", help="folder to write to")
    parser.add_argument("--quick", action="store_true", help="a few seconds on a little data")
    arguments = parser.parse_args()
    main(arguments.timit, arguments.wav, arguments.out, arguments.quick)

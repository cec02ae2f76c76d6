"""Square or sawtooth? A memory split by frequency classifies waves and shows its frequencies.

Trains an SFM and an Adaptive SFM on the waves of section 4.1 of the SFM paper, prints how many test
waves each classifies correctly, and draws the two memories of one wave at four times.
"""

import argparse
from pathlib import Path

import keras

from seqlayers import layers, plotting
from seqlayers.datasets import waves


def main(out="runs/waves_sfm/state_frequency.png", quick=False):
    """A minute or two on two cores; with `quick` a test of some seconds on a little data."""
    keras.utils.set_random_seed(0)
    (x, labels), (x_test, labels_test) = waves.load(*(20, 40) if quick else (2000, 250), seed=0)
    scale = 1.0, 125.0  # y is about 1, but t goes up to 125
    x, x_test = x / scale, x_test / scale

    sizes = {"units": 8, "num_frequencies": 4, "memory_units": 16, "return_sequences": True}
    steady = {"output_scale": "mean", "frequencies": (32, 1024)}  # periods, in samples
    spectra = {}
    for name, memory in {
        "SFM": layers.SFM(**sizes, **steady),
        "A-SFM": layers.AdaptiveSFM(**sizes, **steady, phase="accumulated"),
    }.items():
        average = keras.layers.GlobalAveragePooling1D()  # over time
        model = keras.Sequential([memory, average, keras.layers.Dense(1, activation="sigmoid")])
        adam = keras.optimizers.Adam(5e-3, clipnorm=0.2)  # |S| is steep near silence
        model.compile(adam, "binary_crossentropy", metrics=["accuracy"], jit_compile=not quick)
        print(f"\n{name}, {waves.NAMES[0]} (0) or {waves.NAMES[1]} (1)")
        epochs = 2 if quick else 12
        model.fit(x, labels, 50, epochs, validation_split=0.125, verbose=2)
        _, accuracy = model.evaluate(x_test, labels_test, verbose=0)
        right = round(accuracy * len(x_test))
        print(f"{name} with {model.count_params()} weights: {right} of {len(x_test)} test waves")
        spectra[name] = memory.spectrum(x_test[:1])[0]  # amplitudes (T, D, K) of one wave

    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    plotting.save(plotting.state_frequency(spectra), out)
    print(f"\nThe memories of a {waves.NAMES[labels_test[0]]} wave: {out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="runs/waves_sfm/state_frequency.png", help="the picture")
    parser.add_argument("--quick", action="store_true", help="a few seconds on a little data")
    arguments = parser.parse_args()
    main(arguments.out, arguments.quick)

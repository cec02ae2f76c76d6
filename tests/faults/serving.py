"""Serves exported models without Keras, from several threads, and compares each answer.

    python serving.py SECONDS OUT EXPORT...

Writes a JSON file: the number of calls by endpoint, what went wrong, and the memory in megabytes
over time.
"""

import collections
import json
import random
import resource
import sys
import threading
import time
from pathlib import Path

import numpy as np

sys.modules["keras"] = None  # TensorFlow imports it by itself where it finds it; not here
import tensorflow as tf  # noqa: E402

THREADS, SAMPLES = 8, 60
REQUESTS = 12  # for each endpoint, one of four wrong
WRONG = {
    "frames": [np.nan, np.inf],
    "frame": [np.nan, -np.inf],
    "code": [1.5, np.nan],
    "lengths": [-1, 1000],
    "first_step": [-1],
    "num_steps": [-1, 1_000_000],
    "temperature": [0.0, np.nan, np.inf],
}
REFUSED = (tf.errors.InvalidArgumentError, TypeError, ValueError)


def inputs(specs, rng):
    """Draws right inputs of an endpoint, of any number of rows and steps."""
    rows, steps = rng.integers(1, 9), rng.integers(0, 12)
    drawn = {}
    for name, spec in specs.items():
        shape = [rows, *spec.shape[1:]]
        if name in ("frames", "frame", "code"):
            shape = [rows, steps, spec.shape[-1]] if len(shape) == 3 else shape
            values = rng.random(shape) < 0.4
        elif name in ("lengths", "num_steps"):
            values = rng.integers(0, steps + 1, rows)
        elif name == "seed":
            values = rng.integers(-(2**31), 2**31, shape)
        elif name in ("first_step", "rows"):
            values = rng.integers(0, 100, rows)
        elif name == "temperature":
            values = rng.uniform(0.5, 2, rows)
        else:
            values = rng.uniform(0, 1, shape)  # a state
        drawn[name] = np.asarray(values, spec.dtype.as_numpy_dtype)
    return drawn


def spoiled(drawn, rng):
    """Returns inputs with one that is wrong, and its name; None if all values would do."""
    names = [name for name in drawn if name in WRONG and drawn[name].size]
    if len(drawn) > 1 and (not names or rng.random() < 0.2):
        name = list(drawn)[-1]  # a row too many
        return drawn | {name: np.concatenate([drawn[name], drawn[name][:1]])}, name
    if not names:
        return None
    name = names[rng.integers(len(names))]
    values = drawn[name].copy()
    if name == "frames":  # within the lengths, as padding may hold anything
        drawn = drawn | {"lengths": np.full(len(values), values.shape[1], "int32")}
    values.flat[rng.integers(values.size)] = rng.choice(WRONG[name])
    return drawn | {name: values}, name


def call(signature, given):
    outputs = signature(**{name: tf.constant(x) for name, x in given.items()})
    return {name: x.numpy() for name, x in outputs.items()}


def same(ours, theirs):
    return all(np.array_equal(ours[name], x, equal_nan=True) for name, x in theirs.items())


class Request:
    """Inputs of an endpoint and the answer to a single call: outputs, or the name refused."""

    def __init__(self, endpoint, signature, rng, wrong):
        self.endpoint, self.signature = endpoint, signature
        specs = signature.structured_input_signature[1]
        self.given, self.name, self.outputs = inputs(specs, rng), None, None
        found = spoiled(self.given, rng) if wrong else None
        if found:
            self.given, self.name = found
        else:
            self.outputs = call(signature, self.given)
            if endpoint != "generate":  # where rounding may change a draw
                self._compare_with_a_row()

    def _compare_with_a_row(self):
        """Calls with the first row alone: its outputs are the same up to rounding."""
        alone = call(self.signature, {name: x[:1] for name, x in self.given.items()})
        for name, x in alone.items():
            np.testing.assert_allclose(self.outputs[name][:1], x, rtol=1e-4, atol=1e-5)

    def check(self):
        """Returns what is wrong with an answer; None if nothing is."""
        try:
            outputs = call(self.signature, self.given)
        except REFUSED as error:
            if self.name is None or self.name not in str(error):
                return f"{self.endpoint}, {self.name}: {error}"
            return None
        if self.name is not None:
            return f"{self.endpoint}: accepted a wrong {self.name}"
        if not same(outputs, self.outputs):
            return f"{self.endpoint}: another answer than to a single call"
        return None


def serve(requests, until, counts, faults, seed):
    rng = random.Random(seed)
    while time.monotonic() < until:
        request = rng.choice(requests)
        try:
            fault = request.check()
        except Exception as error:
            fault = f"{request.endpoint}: {error!r}"
        if fault:
            faults.append(fault[:500])
        counts[request.endpoint if request.name is None else f"{request.endpoint}, wrong"] += 1


def main(seconds, out, *exports):
    rng = np.random.default_rng()
    seed = int(rng.integers(2**31))
    print("seed", seed)
    rng = np.random.default_rng(seed)
    loaded = [tf.saved_model.load(export) for export in exports]
    requests = [
        Request(endpoint, signature, rng, wrong=n % 4 == 3)
        for model in loaded
        for endpoint, signature in model.signatures.items()
        for n in range(REQUESTS)
    ]
    began = time.monotonic()
    counts = [collections.Counter() for _ in range(THREADS)]
    faults, memory = [], []
    threads = [
        threading.Thread(target=serve, args=(requests, began + float(seconds), *mine))
        for mine in zip(counts, [faults] * THREADS, range(seed, seed + THREADS), strict=True)
    ]
    for thread in threads:
        thread.start()
    for n in range(SAMPLES):
        time.sleep(max(0, began + (n + 1) * float(seconds) / SAMPLES - time.monotonic()))
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        memory.append(pages * resource.getpagesize() / 2**20)
    for thread in threads:
        thread.join()
    found = {"calls": sum(counts, collections.Counter()), "faults": faults, "memory": memory}
    Path(out).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])

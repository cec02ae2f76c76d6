"""Frames per second of training against the number of devices and of workers.

    python benchmarks/scaling.py [--model spectra|music] [--rows 32] [--workers 2]

Trains one model on the same batches in four ways, one after the other: on one device with the whole
step compiled and without, on two logical devices of this process, and with workers on this machine.
The rate is that of the fastest of some epochs, the first one left out. Devices and workers share
the cores: the table shows what a strategy costs, not what more machines gain.
"""

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # both before TensorFlow is imported

FRAMES, BATCHES, EPOCHS = 100, 5, 4  # of a sequence, of an epoch, of a run
WAYS = {
    "one": "one device, whole step compiled",
    "uncompiled": "one device, only loops over time compiled",
    "mirrored": "two logical devices, MirroredStrategy",
    "workers": "{} workers, MultiWorkerMirroredStrategy",
}


def measure(way, model_name, rows):
    """Prints the rate of a way, in JSON; in each of its workers."""
    import keras
    import numpy as np
    import tensorflow as tf

    strategy = None
    if way == "mirrored":
        (cpu,) = tf.config.list_physical_devices("CPU")
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    elif way == "workers":
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    from seqlayers.models import RNNNADE, RNNRBM

    with strategy.scope() if strategy else contextlib.nullcontext():
        if model_name == "spectra":
            model = RNNRBM.for_spectrograms(seed=0)
        else:
            model = RNNNADE(88, 150, 150, seed=0)
        model.compile("adam", jit_compile=False if way == "uncompiled" else "auto")
    V = model.head.visible_units
    x = np.random.default_rng(0).random((rows * BATCHES, FRAMES, V))
    x = (x < 0.1 if model_name == "music" else x - 0.5).astype("float32")
    ends = []
    at_end = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(time.monotonic()))
    model.fit(x, batch_size=rows, epochs=EPOCHS, callbacks=[at_end], verbose=0)
    rate = x.shape[0] * FRAMES / np.diff(ends).min()
    print(json.dumps({"frames per second": rate, "weights": model.count_params()}), flush=True)


def run(way, arguments):
    """Runs a way in processes of its own; returns what the first one printed."""
    number = arguments.workers if way == "workers" else 1
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    processes = []
    for index in range(number):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = os.environ | ({"TF_CONFIG": json.dumps(config)} if way == "workers" else {})
        command = [sys.executable, __file__, "--way", way, "--model", arguments.model]
        command += ["--rows", str(arguments.rows)]
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE))
    printed = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        sys.exit(f"{way}: a process failed")
    return json.loads(printed[0].splitlines()[-1])


def main(arguments):
    rates = {way: run(way, arguments) for way in WAYS}
    print(f"{arguments.model}, {rates['one']['weights']:,} weights, {os.cpu_count()} cores:")
    print(f"batches of {arguments.rows} sequences of {FRAMES} frames\n")
    print("| way | frames per second | of one device, not compiled whole |\n|---|---|---|")
    for way, result in rates.items():
        share = result["frames per second"] / rates["uncompiled"]["frames per second"]
        name = WAYS[way].format(arguments.workers)
        print(f"| {name} | {result['frames per second']:,.0f} | {share:.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=("spectra", "music"), default="spectra")
    parser.add_argument("--rows", type=int, default=32, help="sequences of a batch")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)  # in a process of its own
    given = parser.parse_args()
    measure(given.way, given.model, given.rows) if given.way else main(given)

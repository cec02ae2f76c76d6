"""Layers and samplers on JAX beside PyTorch, on one GPU, in a few minutes.

    python benchmarks/gpu.py [--minutes 8] [--only SFM] [--out FILE]
    python benchmarks/gpu.py --small        # small sizes, to try the script on a CPU

It needs Keras and JAX, and PyTorch for its peers, and neither TensorFlow nor a network. What
matters most is timed first; what there is no time for is listed. JAX and PyTorch have a process
each.

A share is the work of a figure, by `contenders.counts`, in its time, beside the fastest product
and the fastest copy that either library made in this run. A loop over time reads its weights anew
at every step, mostly from a cache, so that its share of the bandwidth may pass 100 %.

Every figure is that of a result that was compared with one in float64 on the CPU:

- A layer: its outputs, or the gradients of all its weights, with those of Keras's loop over the
  cell and automatic differentiation, of which the first frames are compared with the loops over
  single numbers in `tests/reference`. A batch holds copies of four sequences, each with a weight of
  its own in the loss, so that these four stand for all rows.
- CD-k: the ends of all chains are read off the gradient of the visible biases, and the other
  gradients then follow by NumPy. Our chains are those of the same seed in float64, except where
  rounding decides a draw; the mean of each unit is that of chains by NumPy.
- AIS: the weights join units within ten blocks, whose states can be listed, so that log Z is known.
"""

import argparse
import concurrent.futures
import functools
import importlib
import json
import multiprocessing
import os
import platform
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # nothing needs to be installed

from benchmarks.contenders.counts import (  # noqa: E402
    SMALL,
    Sizes,
    ais_products,
    cd_products,
    layer_products,
    lstm_units,
    work,
)
from benchmarks.race import machine  # noqa: E402
from seqlayers import files  # noqa: E402

ENVIRONMENT = {
    "KERAS_BACKEND": "jax",
    "TF_CPP_MIN_LOG_LEVEL": "2",  # XLA's too
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # the memory of the GPU is PyTorch's as well
}
ON_A_CPU = {"OMP_NUM_THREADS": "1"}  # threads that wait for each other take long on a busy machine
RESERVE = 10  # seconds to end in
LAYERS = ("SFM", "AdaptiveSFM", "ConvLSTMPatch", "LSTBM")
LIBRARIES = {"on_jax": "keras.layers", "on_torch": "torch.nn"}
RESULTS = ROOT / "benchmarks" / "results"


class Figure(NamedTuple):
    """One line of the table: functions are named by module of `contenders`, name and arguments."""

    work: str
    contender: str
    call: tuple
    reference: tuple
    products: list


def figures(s):
    """Returns all figures, the most important ones first.

    Args:
        s: `Sizes`.
    """

    def of_layer(contender, library, name, steps, batch, train, precision="float32"):
        title = f"{name}, {'train' if train else 'forward'}, {batch} x {steps}"
        labels = {
            "layer": name,
            "cell": f"keras.layers.RNN({name}Cell)",
            "lstm": f"{LIBRARIES[library]}.LSTM({lstm_units(name, s)})",
        }
        return Figure(
            title if precision == "float32" else f"{title}, TF32",
            labels[contender],
            (library, "layer", name, contender, s, batch, steps, train, precision),
            ("in_float64", "layer", name, "lstm" if contender == "lstm" else "cell", s, steps),
            layer_products(name, contender, s, batch, steps, train),
        )

    def of_sampler(library, name, frames, compiled=False):
        title = {"cd": f"CD-{s.gibbs_steps}", "ais": f"AIS, {s.betas} betas x {s.chains} chains"}
        label = "seqlayers" if library == "on_jax" else "PyTorch"
        return Figure(
            f"{title[name]}, {s.visible} x {s.hidden}, {frames} frames",
            f"{label}, torch.compile" if compiled else label,
            (library, name, s, frames, compiled),
            ("in_float64", name, s),
            {"cd": cd_products, "ais": ais_products}[name](s, frames),
        )

    samplers = [(name, frames) for frames in s.frames for name in ("cd", "ais")]
    shapes = [
        (name, steps, batch, train)
        for steps in s.steps
        for batch in s.batches
        for train in (True, False)
        for name in LAYERS
    ]
    ours, theirs = ("layer", "on_jax"), ("lstm", "on_torch")
    on_jax = [("lstm", "on_jax"), ("cell", "on_jax")]
    found = [of_sampler(library, *part) for part in samplers for library in LIBRARIES]
    found += [of_layer(*contender, *shape) for shape in shapes for contender in (ours, theirs)]
    found += [of_layer(*contender, *shape) for contender in on_jax for shape in shapes]
    if s.variants:
        found += [of_sampler("on_torch", *part, compiled=True) for part in samplers]
        found += [
            of_layer(*contender, name, s.steps[0], s.batches[-1], True, "tf32")
            for name in LAYERS
            for contender in (ours, theirs, on_jax[0])
        ]
    return found


class Processes:
    """One process for each module of contenders, which ends with what it runs at a deadline."""

    def __init__(self, deadline, variables):
        self.deadline = deadline
        self.variables = variables
        self.pools = {}

    def start(self, module, function, *arguments):
        """Returns the future of a call."""
        if module not in self.pools:
            variables = ENVIRONMENT | self.variables
            if module == "in_float64":
                variables |= {"JAX_PLATFORMS": "cpu"}
            self.pools[module] = concurrent.futures.ProcessPoolExecutor(
                1, multiprocessing.get_context("spawn"), set_variables, (variables,)
            )
        return self.pools[module].submit(call, module, function, arguments)

    def wait(self, future):
        """Returns the result of a call, or raises `TimeoutError` at the deadline."""
        return future.result(timeout=max(0, self.deadline - time.monotonic()))

    def forget_ended(self):
        """Forgets processes that have ended, such as one that was killed for its memory."""
        for module, pool in list(self.pools.items()):
            try:
                pool.submit(time.time)
            except concurrent.futures.BrokenExecutor:
                del self.pools[module]

    def close(self):
        """Ends all processes, whatever they do."""
        for child in multiprocessing.active_children():
            child.kill()
        for pool in self.pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


def set_variables(variables):
    os.environ.update(variables)


def call(module, function, arguments):
    module = importlib.import_module(f"benchmarks.contenders.{module}")
    return getattr(module, function)(*arguments)


def main(small=False, minutes=8.0, only=None, out=None):
    """Runs what there is time for, writes and prints it; returns whether all of it is right."""
    s = SMALL if small else Sizes()
    chosen = [f for f in figures(s) if f.work.startswith(only or "")]
    if not chosen:
        titles = ", ".join(dict.fromkeys(f.work for f in figures(s)))
        sys.exit(f"--only must be the beginning of one of: {titles}. Received: {only}.")
    deadline = time.monotonic() + 60 * minutes - RESERVE
    processes = Processes(deadline, ON_A_CPU if small else {})
    try:
        return run(processes, s, chosen, small, Path(out))
    finally:
        processes.close()


def run(processes, s, chosen, small, out):
    references = {}
    if not small:  # beside the GPU's work; on a CPU they would be in its way
        references = {f.reference: processes.start(*f.reference) for f in chosen}
    machines, missing = look_around(processes, s, small)
    rates = {
        name: max(found["rates"][name] for found in machines.values())
        for name in machines["on_jax"]["rates"]
    }
    report = {
        "python": platform.python_version(),
        "machine": machine(),
        "device": machines["on_jax"]["device"],
        "versions": functools.reduce(dict.__or__, (m["versions"] for m in machines.values())),
        "rates": rates,
        "figures": [],
        "left_out": [],
    }
    for figure in chosen:
        row = {"work": figure.work, "contender": figure.contender}
        try:
            if figure.call[0] in missing:
                raise Missing(missing[figure.call[0]])
            if figure.reference not in references:
                references[figure.reference] = processes.start(*figure.reference)
            expected = processes.wait(references[figure.reference])
            times, checks = processes.wait(processes.start(*figure.call, expected))
        except Missing as reason:
            report["left_out"].append(row | {"reason": str(reason), "failed": False})
        except TimeoutError:
            report["left_out"].append(row | {"reason": "no time left", "failed": False})
        except Exception as error:  # of any library; the other figures go on
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            report["left_out"].append(row | {"reason": reason, "failed": True})
            processes.forget_ended()
        else:
            report["figures"].append(
                row | times | shares(figure.products, times["ms"], rates) | {"checks": checks}
            )
            print(f"{figure.work}: {figure.contender} {times['ms']:.2f} ms", file=sys.stderr)
    files.write_atomically(out, (json.dumps(report, indent=1) + "\n").encode())
    return show(report)


class Missing(Exception):
    """A library cannot take part."""


def look_around(processes, s, small):
    """Returns what each library finds and how fast it is, and why a library is missing."""
    machines, missing = {}, {}
    for module, name in (("on_jax", "JAX and Keras"), ("on_torch", "PyTorch")):
        try:
            machines[module] = processes.wait(processes.start(module, "machine", s))
        except ModuleNotFoundError as error:
            missing[module] = f"{name} cannot be imported: {error}"
    if "on_jax" in missing:
        sys.exit(missing["on_jax"])
    on_gpu = machines["on_jax"]["gpu"]
    if not small and not on_gpu:
        sys.exit("JAX must find a GPU; --small tries the script on a CPU. Received: a CPU.")
    if "on_torch" in machines and machines["on_torch"]["gpu"] != on_gpu:
        missing["on_torch"] = f"PyTorch finds {'no' if on_gpu else 'a'} GPU, other than JAX"
        del machines["on_torch"]
    return machines, missing


def shares(products, ms, rates):
    """Returns the rate of a work done in `ms`, beside those of products and of a copy."""
    operations, moved = work(products)
    rate = operations / ms * 1e3
    return {
        "gflops": rate / 1e9,
        "of_float32": rate / rates["float32"],
        "of_bfloat16": rate / rates["bfloat16"],
        "of_bandwidth": moved / ms * 1e3 / rates["bytes"],
    }


def show(report):
    """Prints the table; returns whether nothing failed and all checks hold."""
    rates = report["rates"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    print(f"{report['device']}; {report['machine']}; Python {report['python']}, {versions}")
    print(
        f"products: float32 {rates['float32'] / 1e12:.3g}, TF32 {rates['tf32'] / 1e12:.3g}, "
        f"bfloat16 {rates['bfloat16'] / 1e12:.3g} TFLOP/s; a copy: {rates['bytes'] / 1e9:.4g} GB/s"
    )
    columns = f"{'ms':>10s} {'x first':>8s} {'GFLOP/s':>9s}"
    print(f"{'':36s}{columns} {'float32':>8s} {'bfloat16':>8s} {'memory':>8s}  check")
    right = not any(row["failed"] for row in report["left_out"])
    for title, rows in grouped(report["figures"], "work").items():
        print(title)
        for row in rows:
            held, text = worst(row["checks"])
            right = right and held
            if row["spread"] > 1.5:
                text += f"; rounds differ {row['spread']:.1f} times"
            parts = (row[f"of_{name}"] for name in ("float32", "bfloat16", "bandwidth"))
            print(
                f"  {row['contender']:34s}{row['ms']:10.3f} {row['ms'] / rows[0]['ms']:8.2f} "
                f"{row['gflops']:9.1f} {' '.join(f'{100 * part:7.2f}%' for part in parts)}  {text}"
            )
    for reason, rows in grouped(report["left_out"], "reason").items():
        print(f"{'FAILED' if rows[0]['failed'] else 'left out'}, {reason}: {len(rows)} figures")
        for title, parts in grouped(rows, "work").items():
            print(f"  {title}: {', '.join(part['contender'] for part in parts)}")
    return right


def grouped(rows, key):
    """Returns lists of rows by what they have at a key, in order."""
    groups = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def worst(checks):
    """Returns whether all checks hold, and the nearest to its limit as text."""
    name = max(
        checks, key=lambda n: (not checks[n][0] <= checks[n][1], checks[n][0] / checks[n][1])
    )
    value, limit = checks[name]
    held = value <= limit
    return held, f"{'' if held else 'WRONG: '}{name} {value:.1e} (at most {limit:.0e})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="small sizes, for a CPU")
    parser.add_argument("--minutes", type=float, default=8.0, help="time to end within (default 8)")
    parser.add_argument("--only", help="beginning of the titles to run, such as SFM or CD")
    parser.add_argument("--out", help="JSON file (default benchmarks/results/gpu[_small].json)")
    options = vars(parser.parse_args())
    default = RESULTS / ("gpu_small.json" if options["small"] else "gpu.json")
    options["out"] = options["out"] or default
    sys.exit(not main(**options))

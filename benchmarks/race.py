"""Contenders that run in turn, each in a process of its own with two threads.

A contender is a function without arguments that imports what it needs and returns a function that
does the work once and waits for its end. Turns (A, B, C, A, B, C, ...) let a change of the
machine's speed affect all.
"""

import multiprocessing
import os
import resource
import statistics
import time

THREADS = 2


def race(contenders, rounds):
    """Runs contenders in turn, each in its own process.

    Returns the smallest wall seconds of each, and the megabytes by which its memory at its peak
    outgrew what it held before its first call.
    """
    context = multiprocessing.get_context("spawn")
    runners = {}
    for name, make in contenders.items():
        ours, theirs = context.Pipe()
        context.Process(target=serve, args=(theirs, make), daemon=True).start()
        if ours.recv() == "missing":
            print(f"  ({name} left out: its package is not installed)")
            continue
        runners[name] = ours
    times = {name: [] for name in runners}
    for _ in range(rounds):
        for name, runner in runners.items():
            runner.send("run")
            times[name].append(runner.recv())
    megabytes = {}
    for name, runner in runners.items():
        runner.send("stop")
        megabytes[name] = runner.recv()
    for name, seconds in times.items():
        spread = statistics.median(seconds) / min(seconds)
        if spread > 1.5:
            print(f"  (noisy: the median of {name} is {spread:.1f} times its minimum)")
    return {name: min(seconds) for name, seconds in times.items()}, megabytes


def serve(connection, make):
    """Runs a contender in its process, each time that the connection asks for it."""
    set_environment()
    try:
        run = make()
    except ModuleNotFoundError:
        connection.send("missing")
        return
    before = peak_megabytes()
    run()  # compiles
    run()
    connection.send("ready")
    while connection.recv() == "run":
        start = time.perf_counter()
        run()
        connection.send(time.perf_counter() - start)
    connection.send(peak_megabytes() - before)


def set_environment():
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_CPU_ALLOCATOR_USE_BFC": "1"}
    for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(THREADS)


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def matrix_product():
    import tensorflow as tf

    a = tf.random.normal((2048, 2048))
    product = tf.function(lambda: tf.matmul(a, a), jit_compile=True, autograph=False)
    return lambda: product().numpy()


def machine():
    with open("/proc/cpuinfo") as info:
        return next((line.split(":")[1].strip() for line in info if "model name" in line), "?")

"""Mutations of the package that the tests must catch: run by hand, `python tests/mutations.py`.

Each mutation changes one place of a copy of the tree, as a slip of the hand would, and the tests
named beside it must then fail. It is `caught` if they do and `MISSED` if they pass; it `no longer
applies` if the old text is not found exactly once. The exit status is 0 if all are caught. With
`--control` nothing is changed, and all tests must pass.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("seqlayers", "tests", "setup.cfg")


class Mutation(NamedTuple):
    """One change of one file, and arguments of pytest for the tests that must catch it."""

    name: str
    file: str
    old: str
    new: str
    tests: str


MUTATIONS = [
    Mutation(
        "rows of a replica",
        "seqlayers/replicas.py",
        "before = ops.sum(ops.where(numbers < here, sizes, 0.0))",
        "before = ops.sum(ops.where(numbers < 0, sizes, 0.0))",
        "tests/test_replicas.py -k 'two_devices and rnn-rbm'",
    ),
    Mutation(
        "mean over the frames of all replicas",
        "seqlayers/masks.py",
        "count = replicas.average(ops.sum(ops.cast(mask, values.dtype)))",
        "count = ops.sum(ops.cast(mask, values.dtype))",
        "tests/test_replicas.py -k 'two_devices and rnn-nade'",
    ),
    Mutation(
        "share of a replica in a loss",
        "seqlayers/models/distributed.py",
        "return value * ops.divide_no_nan(count, replicas.average(count))",
        "return value",
        "tests/test_replicas.py -k 'two_devices and several'",
    ),
    Mutation(
        "sign in the free energy",
        "seqlayers/energy/rbm.py",
        "return params.visibles.energy(params, v) - ops.sum(ops.softplus(x), axis=-1)",
        "return params.visibles.energy(params, v) + ops.sum(ops.softplus(x), axis=-1)",
        "tests/energy/test_rbm.py",
    ),
    Mutation(
        "free energy of masked frames",
        "seqlayers/energy/rbm.py",
        "return masked_mean(free_energy(params, v) - free_energy(params, v_model), mask)",
        "return masked_mean(free_energy(params, v) - free_energy(params, v_model), None)",
        "tests/energy/test_gibbs.py -k 'masked or unequal'",
    ),
    Mutation(
        "gradient through the samples",
        "seqlayers/energy/rbm.py",
        "v_model = ops.stop_gradient(gibbs(params, v, steps, seed))",
        "v_model = gibbs(params, v, steps, seed)",
        "tests/energy/test_rbm.py -k contrastive",
    ),
    Mutation(
        "seed of a Gibbs half-step",
        "seqlayers/energy/rbm.py",
        "return v.sample(seed=fold_in(seed, 2 * k + 1))",
        "return v.sample(seed=fold_in(seed, 2 * k))",
        "tests/energy/test_gibbs.py -k 'jointly or transition or settle'",
    ),
    Mutation(
        "AIS weight",
        "seqlayers/energy/annealing.py",
        "change = change - softplus_difference(",
        "change = change + softplus_difference(",
        "tests/energy/test_estimates.py -k standard_errors",
    ),
    Mutation(
        "ways back of a bridge start at any chain",
        "seqlayers/energy/partition.py",
        "annealing.resampled(up, seed)",
        "annealing.resampled(0.0 * up, seed)",
        "tests/energy/test_estimates.py -k fraction",
    ),
    Mutation(
        "energy of Gaussian visibles",
        "seqlayers/energy/visibles.py",
        "return 0.5 * ops.sum(self.features(ops.square(v - params.visible_bias)), axis=-1)",
        "return 0.5 * ops.sum(self.features(ops.square(v + params.visible_bias)), axis=-1)",
        "tests/energy/test_rbm.py",
    ),
    Mutation(
        "temperature ignored",
        "seqlayers/energy/visibles.py",
        "return bernoulli((params.visible_bias + hidden_input) / temperature)",
        "return bernoulli(params.visible_bias + hidden_input)",
        "tests/energy/test_rbm.py -k temperature",
    ),
    Mutation(
        "delay leaks the present",
        "seqlayers/layers/delay.py",
        "y = ops.concatenate([first, sequence[:, :-1]], axis=1)",
        "y = ops.concatenate([first, sequence[:, 1:]], axis=1)",
        "tests/layers/test_delay.py",
    ),
    Mutation(
        "delay forgets the mask",
        "seqlayers/layers/delay.py",
        "return ops.where(frames_before[..., None] > 0, y, first)",
        "return y",
        "tests/layers/test_delay.py",
    ),
    Mutation(
        "update gate turned round",
        "seqlayers/layers/tanh_gated_recurrence.py",
        "return ((1 - z) * n + z * u,), (zr, n)",
        "return (z * n + (1 - z) * u,), (zr, n)",
        "tests/layers/test_tanh_gated.py -k equations",
    ),
    Mutation(
        "peephole of the output gate",
        "seqlayers/layers/peephole_lstm_recurrence.py",
        "o = gate(o + c * p[2])",
        "o = gate(o)",
        "tests/layers/test_peephole_lstm.py -k equations",
    ),
    Mutation(
        "gradient of a peephole",
        "seqlayers/layers/peephole_lstm_recurrence.py",
        "dc = dc * f + d_i * p[0] + d_f * p[1]",
        "dc = dc * f + d_f * p[1]",
        "tests/layers/contract/test_loop.py -k 'automatic and peephole'",
    ),
    Mutation(
        "time of the SFM",
        "seqlayers/layers/sfm_cell.py",
        "t = first + ops.cumsum(steps, axis=0)  # [T, B, 1]",
        "t = first + ops.cumsum(steps, axis=0) - 1  # [T, B, 1]",
        "tests/layers/test_sfm.py -k equations",
    ),
    Mutation(
        "detached frequencies of the SFM",
        "seqlayers/layers/sfm_recurrence.py",
        "W = ops.where(self._detached(W.shape[-1]), 0, W)",
        "W = ops.where(self._detached(W.shape[-1]), W, W)",
        "tests/layers/test_sfm_recurrence.py -k by_hand",
    ),
    Mutation(
        "memory cells of the LSTBM",
        "seqlayers/layers/lstbm_recurrence.py",
        "c = c * f + g * i  # (10)",
        "c = c * i + g * f  # (10)",
        "tests/layers/test_lstbm.py -k equations",
    ),
    Mutation(
        "masked steps move the states",
        "seqlayers/layers/recurrence.py",
        "return after if seen is None else _where(recurrence, seen, after, before), kept",
        "return after, kept",
        "tests/layers/contract/test_masks.py",
    ),
    Mutation(
        "order of the NADE",
        "seqlayers/heads/nade.py",
        "            return a + added(i, *constants), s",
        "            return a + added(i - 1, *constants), s",
        "tests/heads/test_nade.py -k equations",
    ),
    Mutation(
        "bias of the NADE not learned",
        "seqlayers/heads/nade.py",
        "            return (dv, dc, dW, dU, dM)[: len(tensors)]",
        "            return (dv, ops.zeros_like(dc), dW, dU, dM)[: len(tensors)]",
        "tests/heads/test_nade.py -k 'gradient_is'",
    ),
    Mutation(
        "a key counts itself",
        "seqlayers/heads/tied_nade.py",
        "        below = one_hot_count(v, lambda j, i: j < i)",
        "        below = one_hot_count(v, lambda j, i: j <= i)",
        "tests/heads/test_tied_nade.py -k lower_keys",
    ),
    Mutation(
        "a draw's pitch classes are a key late",
        "seqlayers/heads/tied_nade.py",
        "        pitch = ops.minimum(values + carry.pitches[:, 0], 1)",
        "        pitch = ops.minimum(values + carry.pitches[:, 1], 1)",
        "tests/heads/test_tied_nade.py -k draws_have",
    ),
    Mutation(
        "mean of log-odds in place of probabilities",
        "seqlayers/heads/mixture.py",
        "    return ops.logsumexp(on, axis=0) - ops.logsumexp(off, axis=0)",
        "    return ops.mean(on - off, axis=0)",
        "tests/models/test_mixture.py -k scores",
    ),
    Mutation(
        "log q of the DBN's bound",
        "seqlayers/energy/dbn.py",
        "return (nats - log_q)[0], layers[-1][0]",
        "return nats[0], layers[-1][0]",
        "tests/heads/test_conditional_dbn.py -k 'bound or enumeration'",
    ),
    Mutation(
        "context of the hidden units",
        "seqlayers/heads/conditional_rbm.py",
        "c = c + ops.matmul(context, self.context_hidden_kernel)\n            if",
        "if",
        "tests/heads/test_conditional_rbm.py -k context_moves",
    ),
    Mutation(
        "config forgets an argument",
        "seqlayers/heads/conditional_rbm.py",
        '            "centering_rate": self.centering_rate,\n',
        "",
        "tests/heads/test_contract.py -k config_holds",
    ),
    Mutation(
        "gradients that are not finite",
        "seqlayers/models/nonfinite.py",
        "finite = tf.reduce_all([True, *(ops.all(known(gradient)) for gradient, _ in pairs)])",
        "finite = tf.reduce_any([True, *(ops.all(known(gradient)) for gradient, _ in pairs)])",
        "tests/models/test_nonfinite.py -k without_finite",
    ),
    Mutation(
        "seed of a step of training",
        "seqlayers/models/sequence.py",
        "return fold_in(fold_in(seed_pair(self.head.seed), use), step_counter(self.optimizer))",
        "return fold_in(seed_pair(self.head.seed), use)",
        "tests/models/test_sequence.py -k draws_anew",
    ),
    Mutation(
        "seed of a generated frame",
        "seqlayers/models/generation.py",
        "            fold_in(seeds, t),\n            temperature,",
        "            fold_in(seeds, 0),\n            temperature,",
        "tests/models/test_rnn_models.py -k generated_sequences",
    ),
    Mutation(
        "loss on padded frames",
        "seqlayers/models/sequence.py",
        "loss = self.head.loss(frames, context, mask, rows, training=True)",
        "loss = self.head.loss(frames, context, None, rows, training=True)",
        "tests/models/test_contract.py -k 'padding_changes_neither and rbm and simple'",
    ),
    Mutation(
        "error through a truncated memory",
        "seqlayers/models/temporal_rbm.py",
        "return ops.stop_gradient(outputs) if self.truncate else outputs",
        "return outputs",
        "tests/models/test_temporal_rbm.py -k 'goes_back'",
    ),
    Mutation(
        "files are not atomic",
        "seqlayers/files.py",
        "    temporary = _sibling(target, path)\n    try:\n        yield temporary\n        if not",
        "    temporary = target\n    try:\n        yield temporary\n        if not",
        "tests/test_files.py",
    ),
    Mutation(
        "early stopping one epoch late",
        "seqlayers/runs/history.py",
        'len(history) - best["epoch"] >= patience)',
        'len(history) - best["epoch"] > patience)',
        "tests/runs/test_history.py -k early_stopping",
    ),
    Mutation(
        "best epoch is the worst",
        "seqlayers/runs/history.py",
        "return max(rows, key=lambda row: row[MONITOR], default=None)",
        "return min(rows, key=lambda row: row[MONITOR], default=None)",
        "tests/runs/test_history.py -k early_stopping",
    ),
    Mutation(
        "range of transposition",
        "seqlayers/datasets/piano_roll.py",
        "min(high, NUM_KEYS - 1 - highest)",
        "min(high, NUM_KEYS - highest)",
        "tests/datasets/test_piano_roll.py -k transposition",
    ),
    Mutation(
        "label of a chunk",
        "seqlayers/datasets/chunking.py",
        "meant = inputs - delay",
        "meant = inputs - delay + 1",
        "tests/datasets/test_chunking.py",
    ),
    Mutation(
        "blocks of sound files",
        "seqlayers/audio/sequential.py",
        "return False",
        "return True",
        "tests/audio/test_mpeg.py -k tone",
    ),
    Mutation(
        "number of frames",
        "seqlayers/audio/framing.py",
        "return max(0, 1 + (num_samples - frame_length) // hop_length)",
        "return max(0, (num_samples - frame_length) // hop_length)",
        "tests/audio/test_features.py tests/audio/test_framing.py -k 'frames_are_those or stft'",
    ),
    Mutation(
        "percentile of the histogram",
        "seqlayers/audio/loudness.py",
        "place = np.asarray(q) / 100 * (ranks[-1] - 1)",
        "place = np.asarray(q) / 100 * ranks[-1]",
        "tests/audio/test_segments.py -k 'blocks_give or reference'",
    ),
    Mutation(
        "level of segments",
        "seqlayers/audio/contrast.py",
        "max(margin, (sound / noise) ** FRACTION)",
        "margin * (sound / noise) ** FRACTION",
        "tests/audio/test_contrast.py -k reference",
    ),
    Mutation(
        "band of sounds far apart in frequency",
        "seqlayers/audio/contrast.py",
        "self.edges[strong[-1, 1]]",
        "self.edges[strong[0, 1]]",
        "tests/audio/test_contrast.py -k reference",
    ),
    Mutation(
        "end of a dip in loudness",
        "seqlayers/audio/segment_dips.py",
        "found.append(at)",
        "found.append(place)",
        "tests/audio/test_segments.py -k 'segments_match_the_reference'",
    ),
    Mutation(
        "phases of Griffin and Lim",
        "seqlayers/audio/phases.py",
        "c = y + np.float32(momentum) * (y - before)",
        "c = y - np.float32(momentum) * (y - before)",
        "tests/audio/test_phases.py -k griffin",
    ),
    Mutation(
        "split by time",
        "seqlayers/datasets/recordings.py",
        "places[own], ends[own] = sums - lengths[own] / 2, sums[-1]",
        "places[own], ends[own] = sums, sums[-1]",
        "tests/datasets/test_recordings.py tests/runs/test_sound.py",
    ),
    Mutation(
        "one label for all views of Raven",
        "seqlayers/datasets/labels/raven.py",
        'row.get("Selection") or line',
        "line",
        "tests/datasets/labels/test_raven.py",
    ),
]


def verdict(mutation, tree):
    """Applies a mutation to the tree, runs its tests and takes it back."""
    path = tree / mutation.file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.count(mutation.old) != 1:
        return "no longer applies"
    path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        result = subprocess.run(
            [*command, *shlex.split(mutation.tests)],
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    finally:
        path.write_text(text, encoding="utf-8")
    # Pytest's own statuses: 0, all passed; 1, some failed; others, no tests were run to the end.
    if result.returncode == 1:
        return "caught"
    if result.returncode == 0:
        return "passed" if mutation.new == mutation.old else "MISSED"
    return f"tests did not run: {result.stdout.strip().splitlines()[-1:]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="NAME", action="append", help="run this mutation alone")
    parser.add_argument("--list", action="store_true", help="list the mutations and stop")
    parser.add_argument("--control", action="store_true", help="change nothing; tests must pass")
    arguments = parser.parse_args()
    chosen = [m for m in MUTATIONS if arguments.only is None or m.name in arguments.only]
    if not chosen:
        parser.error(f"--only must name mutations of --list. Received: {arguments.only}.")
    if arguments.list:
        for mutation in chosen:
            print(f"{mutation.name:36}{mutation.file:48}{mutation.tests}")
        return 0
    wanted = "caught"
    if arguments.control:
        chosen, wanted = [m._replace(new=m.old) for m in chosen], "passed"
    verdicts = []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                leave = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, tree / name, ignore=leave)
            else:
                shutil.copy(ROOT / name, tree / name)
        for mutation in chosen:
            start = time.perf_counter()
            verdicts.append(verdict(mutation, tree))
            seconds = time.perf_counter() - start
            print(f"{mutation.name:36}{verdicts[-1]:20}{seconds:6.0f} s", flush=True)
    print(f"{verdicts.count(wanted)} of {len(verdicts)} {wanted}")
    return int(set(verdicts) != {wanted})


if __name__ == "__main__":
    sys.exit(main())

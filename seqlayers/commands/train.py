"""`seqlayers train`."""

import contextlib
import shlex
import sys
from pathlib import Path

import click

from seqlayers.commands.cli import (
    AT_LEAST_0,
    COUNT,
    FOLDER,
    HINT,
    POSITIVE,
    RATE,
    SEED,
    SHARE,
    SHIFT,
    SIZE,
    THERE,
    debug,
    import_runs,
    option,
    sound_options,
    step_option,
    transpose_option,
    was_given,
    writing,
)
from seqlayers.commands.run_data import compare, read_data
from seqlayers.datasets import piano_roll
from seqlayers.runs import recipes
from seqlayers.runs.options import (
    CELLS,
    GATES,
    MODELS,
    NONFINITE,
    OPTIMIZERS,
    SCHEDULES,
    SOURCES,
    VISIBLES,
    complete,
    flag,
    segment_options,
    unused,
)

DATASET = click.Choice(piano_roll.NAMES)
RECIPES = [*recipes.names(), *recipes.sound_names()]
_MAY_CHANGE = ("epochs", "patience", "validate_every")  # of the options of a run, on resuming


@click.command()
@option(
    "--recipe", type=click.Choice(RECIPES), metavar="NAME", help="Options: see `seqlayers recipes`."
)
@option("--dataset", type=DATASET, help="A set that ships with seqlayers; see `seqlayers data`.")
@option(
    "--midi",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of MIDI files, by path: the first 80% train, 10% validate, 10% test.",
)
@step_option
@transpose_option
@option(
    "--wav",
    type=THERE,
    help="Folder of recordings, or one; see below.",
)
@option("--sample-rate", type=RATE, help="Hz of the recordings; the lowest there is if not given.")
@sound_options
@option("--model", type=click.Choice(list(MODELS)), help="See below.")
@option("--visibles", type=click.Choice(VISIBLES), help="Frames of recordings, see below.")
@option("--hidden-units", type=SIZE, help="Hidden units of RBM, NADE, or of each layer of a DBN.")
@option("--hidden-layers", type=click.IntRange(1, 20), help="Hidden layers of a DBN.")
@option("--gibbs-steps", type=SIZE, help="k of CD-k.")
@option("--sampling-steps", type=SIZE, help="Gibbs steps when drawing frames.")
@option("--persistent-chains", type=SIZE, help="Chains of PCD, for an RBM without time.")
@option("--centering-rate", type=SHARE, help="Center the units of an RBM, by moving averages.")
@option("--l1", type=AT_LEAST_0, help="L1 penalty on the weights W of an RBM.")
@option("--num-betas", type=SIZE, help="Annealing steps when likelihoods are estimated.")
@option("--cell", type=click.Choice(CELLS), help="Cell of the recurrent layer.")
@option("--gate-activation", type=click.Choice(GATES), help="Of tanh-gated; tanh as published.")
@option("--recurrent-units", type=SIZE, help="Units of each recurrent layer.")
@option("--recurrent-layers", type=click.IntRange(1, 20), help="Recurrent layers.")
@option("--num-frequencies", type=SIZE, help="Frequencies of the cell sfm.")
@option("--dropout", type=SHARE, help="Of what a recurrent layer reads.")
@option("--recurrent-dropout", type=SHARE, help="Of the recurrent state.")
@option("--context-dropout", type=SHARE, help="Of what the recurrent layers say to the head.")
@option("--pretrain-head", type=COUNT, help="Epochs of Adam on shuffled frames before all else.")
@option("--pretrain-memory", type=COUNT, help="Epochs of Adam by cross-entropy, after those.")
@option("--pretrain-layers", type=COUNT, help="Of a DBN, epochs with each layer less, memory too.")
@option("--epochs", type=COUNT, help="Number of the last epoch.")
@option("--batch-size", type=SIZE, help="Sequences in a batch.")
@option("--optimizer", type=click.Choice(OPTIMIZERS), help="How gradients become steps.")
@option("--learning-rate", type=POSITIVE, help="Step size of the optimizer.")
@option("--schedule", type=click.Choice(SCHEDULES), help="How that falls over the epochs.")
@option("--momentum", type=SHARE, help="Of nesterov.")
@option("--clip-norm", type=AT_LEAST_0, help="Longest gradient of all weights together; 0: any.")
@option("--nonfinite", type=click.Choice(NONFINITE), help="Of a step whose gradient is not finite.")
@option(
    "--augment",
    type=SHIFT,
    nargs=2,
    metavar="LOW HIGH",
    help="Shift each piece by so many semitones, drawn anew each epoch.",
)
@option("--max-steps", type=COUNT, help="Cut sequences in pieces of this many steps.")
@option("--patience", type=COUNT, help="Stop after this many epochs that were no better.")
@option("--validate-every", type=COUNT, help="Epochs from one validation to the next.")
@option("--seed", type=SEED, help="What all draws start from.")
@click.option("--out", type=FOLDER, required=True, help="Folder of the run.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out where it was stopped.")
@click.option("--overwrite", is_flag=True, help="Delete the run in --out first.")
@debug
@click.pass_context
def train(ctx, out, resume, overwrite, **options):
    """Train a model and write it, its metrics and its configuration to a folder.

    The folder gets config.json, metrics.csv, curves for TensorBoard, last.keras after each epoch
    and best.keras, the best on the validation split. A run that was stopped, by Ctrl-C, `kill -9`
    or a full disk, goes on with --resume from its last whole epoch and ends as if it had not been
    stopped. --resume needs no other option but --out; --epochs, --patience and --validate-every
    may be given new values, --epochs where the learning rate does not fall with them.

    What comes before the first epoch, --pretrain-head and so on, begins anew if it was stopped.

    A recipe is a set of options, whose values may be told otherwise.

    Models of single frames: rbm, nade, dbn. After a recurrent layer: rnn-bernoulli, rnn-rbm,
    rnn-nade, rnn-dbn; with --cell lstm and so on that layer is another one. rtrbm: an RBM whose
    hidden units remember.

    With --wav, sequences are the segments that `seqlayers segment` finds with the same options,
    --sample-rate to --band, as spectra of 256 samples every 128. Each recording is split by time:
    its first segments, 80% of what sounds, train, the next 10% validate, the last 10% test.
    --visibles gaussian models logarithms of amplitudes, gamma amplitudes, bernoulli logarithms
    brought to [0, 1]. If nothing else is said, the model is the RNN-RBM on spectrograms with
    sigmoid gates, trained by Adam; --recipe rnn-rbm-spectrograms is the one that was published,
    trained as it was.

    \b
    Examples:
      seqlayers train --dataset jsb_chorales --out runs/jsb
      seqlayers train --out runs/jsb --resume --epochs 150
      seqlayers train --recipe lstm-nade-jsb --out runs/lstm_nade
      seqlayers train --dataset nottingham --model rnn-bernoulli --cell lstm \\
          --augment -5 6 --patience 20 --out runs/folk
      seqlayers train --midi music --step-in-beats 0.25 --out runs/music
      seqlayers train --wav birds --out runs/birds
      seqlayers train --recipe rnn-rbm-spectrograms --wav birds --threshold 85 --min-length 10 \\
          --max-length 1000 --out runs/published
    """
    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite do not go together; give one of them.")
    given = {name: options[name] for name in options if was_given(ctx, name)}
    for name in ("midi", "wav"):
        if name in given:
            given[name] = str(options[name].resolve())
    if not resume:
        options = _new_options(given)

    runs = import_runs()
    command = shlex.join(["seqlayers", "train", "--out", str(out), "--resume"])
    hint = f"Finished epochs are kept. Go on with: {command}"
    with contextlib.ExitStack() as stack:
        stack.enter_context(writing(out))
        if resume:
            stack.enter_context(runs.claim(out, resume=True))
            config = runs.read_config(out)
            options = _resumed_options(config, given)
        data = read_data(runs, options, config.get("sound") if resume else None)
        if options["patience"] and not data.valid:
            wanted = "at least two MIDI files, one of them"
            if options["wav"]:
                wanted = "recordings of more segments, some of them"
            raise click.UsageError(
                f"--patience needs {wanted} to validate on. "
                f"Received: {len(data.train)} sequences to train on, and none."
            )
        if resume:
            compare(runs, config, data)
            ctx.meta[HINT] = hint
        else:
            stack.enter_context(runs.claim(out, overwrite=overwrite))
            runs.clear(out)
        if not resume or options != config["options"]:
            runs.write_config(out, options, data)
        ctx.meta[HINT] = hint
        model, history = runs.last_model(out, options, data)
        click.echo(
            f"{options['model']} with {model.count_params():,} weights, "
            + (f"{len(history)} epochs done" if history else "new")
            + f", in {out}"
        )
        runs.fit(out, model, history, options, data, verbose=1 if sys.stdout.isatty() else 2)
        _report(runs, out, model, history, options, data)


def _new_options(given):
    """All options of a new run: those given, those of a recipe, and the rest."""
    told = dict(given)
    if "recipe" in given:
        told = {k: v for k, v in recipes.read(given["recipe"]).options.items() if v is not None}
        if given.keys() & {"midi", "wav"}:
            told.pop("dataset", None)
        told |= given
        without = unused(told)
        told = {k: v for k, v in told.items() if k in given or k not in without}
    came = [flag(source) for source in SOURCES if source in told]
    if len(came) != 1:
        *others, last = map(flag, SOURCES)
        raise click.UsageError(
            f"Give {', '.join(others)} or {last}, one of them. "
            f"Received: {' and '.join(came) or 'none'}."
        )
    if told.get("augment") and told["augment"][0] > told["augment"][1]:
        low, high = told["augment"]
        raise click.UsageError(f"--augment wants LOW before HIGH. Received: {low} {high}.")
    options = complete(told)
    if options["wav"]:
        segment_options(options)  # refuses what does not go together, before anything is read
    return options


def _resumed_options(config, given):
    """The options of a run, and the new values of those that may change."""
    options = dict(config["options"])
    for name, value in given.items():
        value = list(value) if isinstance(value, tuple) else value
        if name in _MAY_CHANGE and (name != "epochs" or options["schedule"] == "constant"):
            options[name] = value
        elif options.get(name) != value:
            raise click.UsageError(
                f"{flag(name)} cannot change in a run; leave it out, or begin another in a new "
                f"--out. Received: {value}, and the run has {options.get(name)}."
            )
    return options


def _report(runs, out, model, history, options, data):
    if len(history) < options["epochs"]:
        click.echo(f"Stopped early: no better for {options['patience']} epochs.")
    best = runs.best_row(history)
    if best and (out / runs.BEST).exists():
        model, _ = runs.load_model(out)
        click.echo(f"Best on the validation split: epoch {best['epoch']}")
    split = next((s for s in ("test", "valid", "train") if getattr(data, s)), None)
    likelihood = model.score(getattr(data, split), bracket=model.head.kind == "estimate")
    click.echo(f"{split}: {likelihood}")
    click.echo("Wrote:")
    for name in (runs.CONFIG, runs.TABLE, runs.CURVES, runs.LAST, runs.BEST):
        if (out / name).exists():
            click.echo(f"  {out / name}")

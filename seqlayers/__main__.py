"""The command line: `seqlayers`, or `python -m seqlayers`.

What is wrong with the input ends with one message and exit status 2, Ctrl-C with 130 and SIGTERM
with 143; a traceback is shown with --debug only. TensorFlow is imported inside the commands that
need it.
"""

import contextlib
import io
import json
import os
import shlex
import sys
from pathlib import Path

import click

from seqlayers import __version__, recipes
from seqlayers.cli import HINT, Commands, Positive, Share, debug, naming, option, writing
from seqlayers.datasets import midi as midi_files
from seqlayers.datasets import piano_roll
from seqlayers.options import (
    CELLS,
    DEFAULTS,
    MODELS,
    OPTIMIZERS,
    SCHEDULES,
    complete,
    flag,
    unused,
)

_SHOWN = 10  # of the files that could not be read
_MAY_CHANGE = ("epochs", "patience", "validate_every")  # of the options of a run, on resuming
_MAX_STEPS = 100_000  # of a generated sequence: as many as `midi.read` takes

_COUNT, _SIZE = click.IntRange(1), click.IntRange(1, 10_000)
_SEED, _SHIFT = click.IntRange(0, 2**31 - 1), click.IntRange(-88, 88)
_DATASET = click.Choice(piano_roll.NAMES)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_SOURCE = click.argument("source", type=click.Path(exists=True, path_type=Path))


_STEP = option(
    "--step-in-beats", type=Positive(), help="Time step of MIDI files: 0.5 is an eighth note."
)
_TRANSPOSE = option(
    "--transpose", type=_SHIFT, default=0, help="Semitones to add to each note of MIDI files."
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli():
    """Train, score and play recurrent models of polyphonic music.

    \b
    Examples:
      seqlayers data
      seqlayers train --dataset jsb_chorales --out runs/jsb
      seqlayers score runs/jsb
      seqlayers generate runs/jsb --out songs
    """
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # keeps XLA's buffers between calls
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@cli.command()
@option(
    "--recipe", type=click.Choice(recipes.names()), help="Options by name: `seqlayers recipes`."
)
@option("--dataset", type=_DATASET, help="A set that ships with seqlayers; see `seqlayers data`.")
@option(
    "--midi",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of MIDI files, by path: the first 80% train, 10% validate, 10% test.",
)
@_STEP
@_TRANSPOSE
@option("--model", type=click.Choice(list(MODELS)), help="See below.")
@option("--hidden-units", type=_SIZE, help="Hidden units of RBM, NADE, or of each layer of a DBN.")
@option("--hidden-layers", type=click.IntRange(1, 20), help="Hidden layers of a DBN.")
@option("--gibbs-steps", type=_SIZE, help="k of CD-k.")
@option("--persistent-chains", type=_SIZE, help="Chains of PCD, for an RBM without time.")
@option("--centering-rate", type=Share(), help="Center the units of an RBM, by moving averages.")
@option("--num-betas", type=_SIZE, help="Annealing steps when likelihoods are estimated.")
@option("--cell", type=click.Choice(CELLS), help="Cell of the recurrent layer.")
@option("--recurrent-units", type=_SIZE, help="Units of each recurrent layer.")
@option("--recurrent-layers", type=click.IntRange(1, 20), help="Recurrent layers.")
@option("--num-frequencies", type=_SIZE, help="Frequencies of the cell sfm.")
@option("--dropout", type=Share(), help="Of what a recurrent layer reads.")
@option("--recurrent-dropout", type=Share(), help="Of the recurrent state.")
@option("--context-dropout", type=Share(), help="Of what the recurrent layers say to the head.")
@option("--pretrain-head", type=_COUNT, help="Epochs on shuffled frames before all else.")
@option("--pretrain-memory", type=_COUNT, help="Epochs by cross-entropy, after those.")
@option("--epochs", type=_COUNT, help="Number of the last epoch.")
@option("--batch-size", type=_SIZE, help="Sequences in a batch.")
@option("--optimizer", type=click.Choice(OPTIMIZERS), help="How gradients become steps.")
@option("--learning-rate", type=Positive(), help="Step size of the optimizer.")
@option("--schedule", type=click.Choice(SCHEDULES), help="How that falls over the epochs.")
@option("--momentum", type=Share(), help="Of nesterov.")
@option("--clip-norm", type=Positive(), help="Longest gradient of all weights together.")
@option(
    "--augment",
    type=_SHIFT,
    nargs=2,
    metavar="LOW HIGH",
    help="Shift each piece by so many semitones, drawn anew each epoch.",
)
@option("--max-steps", type=_COUNT, help="Cut sequences in pieces of this many steps.")
@option("--patience", type=_COUNT, help="Stop after this many epochs that were no better.")
@option("--validate-every", type=_COUNT, help="Epochs from one validation to the next.")
@option("--seed", type=_SEED, help="What all draws start from.")
@click.option("--out", type=_FOLDER, required=True, help="Folder of the run.")
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

    A recipe is a set of options, of which each may be told otherwise.

    Models of single frames: rbm, nade, dbn. After a recurrent layer: rnn-bernoulli, rnn-rbm,
    rnn-nade, rnn-dbn; with --cell lstm and so on that layer is another one. rtrbm: an RBM whose
    hidden units remember.

    \b
    Examples:
      seqlayers train --dataset jsb_chorales --out runs/jsb
      seqlayers train --out runs/jsb --resume --epochs 150
      seqlayers train --recipe lstm-nade-jsb --out runs/lstm_nade
      seqlayers train --dataset nottingham --model rnn-bernoulli --cell lstm \\
          --augment -5 6 --patience 20 --out runs/folk
      seqlayers train --midi music --step-in-beats 0.25 --out runs/music
    """
    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite do not go together; give one of them.")
    given = {name: options[name] for name in options if _was_given(ctx, name)}
    if "midi" in given:
        given["midi"] = options["midi"] = str(options["midi"].resolve())
    if not resume:
        options = _new_options(given)

    runs = _import_runs()
    command = shlex.join(["seqlayers", "train", "--out", str(out), "--resume"])
    hint = f"Finished epochs are kept. Go on with: {command}"
    with contextlib.ExitStack() as stack:
        stack.enter_context(writing(out))
        if resume:
            stack.enter_context(runs.claim(out, resume=True))
            config = runs.read_config(out)
            options = _resumed_options(config, given)
        data = _read_data(runs, options)
        if options["patience"] and not data.valid:
            raise click.UsageError(
                "--patience needs at least two MIDI files, one of them to validate on. "
                f"Received: {len(data.train)} that can be read."
            )
        if resume:
            _compare(runs, config, data)
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


@cli.command()
@_SOURCE
@option("--dataset", type=_DATASET, help="A set that ships with seqlayers.")
@option("--split", type=click.Choice(piano_roll.SPLITS), default="test")
@option("--midi", type=click.Path(exists=True, path_type=Path), help="A MIDI file or a folder.")
@_STEP
@_TRANSPOSE
@click.option("--bracket", is_flag=True, help="Estimate from the other side, too: RBMs.")
@option("--seed", type=_SEED, default=0, help="What the draws of an estimate start from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@debug
@click.pass_context
def score(ctx, source, dataset, split, midi, step_in_beats, transpose, bracket, seed, as_json):
    """Print the log-likelihood of data under a model, in nats per frame.

    SOURCE is a run's folder, of which best.keras is taken, or a .keras file. Without --dataset
    and --midi, a run is scored on its own data. The line says whether the number is exact, an
    estimate or a lower bound, how it is averaged, and over how many frames. An estimate by
    annealing flatters a little; with --bracket the truth lies between the two numbers.

    \b
    Examples:
      seqlayers score runs/jsb
      seqlayers score runs/jsb/last.keras --dataset nottingham --split valid --bracket
      seqlayers score runs/jsb --midi song.mid --step-in-beats 1 --json
    """
    if dataset and midi:
        raise click.UsageError("--dataset and --midi do not go together; give one of them.")
    if midi and _was_given(ctx, "split"):
        raise click.UsageError("--split has no part in --midi: all of its files are scored.")
    if not midi and (step_in_beats or transpose):
        raise click.UsageError("--step-in-beats and --transpose have a part in --midi only.")
    if not dataset and not midi and not source.is_dir():
        raise click.UsageError("A .keras file needs data: give --dataset or --midi.")

    runs = _import_runs()
    config = runs.read_config(source) if source.is_dir() else None
    if midi:
        step, name = _step(runs, config, step_in_beats), str(midi)
        with naming("--midi"):
            if midi.is_dir():
                _, rolls, skipped = midi_files.read_folder(midi, step, transpose)
                _tell_skipped(skipped, len(rolls))
            else:
                rolls = [midi_files.read(midi, step, transpose)]
    elif dataset:
        name, rolls = f"{dataset} {split}", getattr(piano_roll.load(dataset), split)
    elif config:
        data, options = _read_data(runs, config["options"]), config["options"]
        _compare(runs, config, data)
        name, rolls = f"{options['dataset'] or options['midi']} {split}", getattr(data, split)
        if not rolls:
            raise click.UsageError(f"--split {split} of {options['midi']} has no file.")
    else:
        raise click.UsageError(
            f"{source} has no config.json to name data: give --dataset or --midi."
        )
    model, file = runs.load_model(source)
    likelihood = model.score(rolls, seed=seed, bracket=bracket)
    if as_json:
        plain = {k: getattr(v, "item", lambda v=v: v)() for k, v in likelihood._asdict().items()}
        click.echo(json.dumps({"model": str(file), "data": name, **plain}))
    else:
        click.echo(f"{file} on {name}: {likelihood}")


@cli.command()
@_SOURCE
@click.option("--out", type=_FOLDER, required=True, help="Folder for the MIDI files.")
@option("--num", type=_SIZE, default=4, help="Number of sequences.")
@option("--steps", type=click.IntRange(1, _MAX_STEPS), default=64, help="Time steps of each.")
@option("--temperature", type=Positive(), default=1.0, help="Above 1 bolder, below 1 safer.")
@option("--seed", type=_SEED, default=0, help="Sequence n of a seed is the same whatever --num.")
@option(
    "--prime", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Begin after it."
)
@_STEP
@click.option("--overwrite", is_flag=True, help="Replace files of the same names.")
@debug
def generate(source, out, num, steps, temperature, seed, prime, step_in_beats, overwrite):
    """Draw new music and write it as MIDI files, without what --prime plays.

    SOURCE is a run's folder, of which best.keras is taken, or a .keras file.

    \b
    Examples:
      seqlayers generate runs/jsb --out songs
      seqlayers generate runs/jsb --out songs --seed 1 --num 2 --steps 128 --temperature 0.9
      seqlayers generate runs/jsb --out songs --seed 2 --prime song.mid --step-in-beats 1
    """
    names = [f"seed{seed}_{n:0{len(str(num))}}.mid" for n in range(1, num + 1)]
    there = [out / name for name in names if (out / name).exists()]
    if there and not overwrite:
        raise click.UsageError(
            f"--out must not hold files of these names; add --overwrite or another --seed. "
            f"Received: {there[0]}."
        )

    runs = _import_runs()
    config = runs.read_config(source) if source.is_dir() else None
    step = _step(runs, config, step_in_beats)
    with naming("--prime"):
        roll = None if prime is None else midi_files.read(prime, step)
    model, _ = runs.load_model(source)
    if model.head.visible_units != piano_roll.NUM_KEYS or model.head.visibles != "bernoulli":
        raise click.UsageError(
            f"MIDI files need a model of {piano_roll.NUM_KEYS} Bernoulli units. "
            f"Received: {source}, with {model.head.visible_units} {model.head.visibles} ones."
        )
    rolls = model.generate(steps, roll, num, temperature, seed)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        for name, roll in zip(names, rolls, strict=True):
            midi_files.write(out / name, roll, step)
            click.echo(str(out / name))


@cli.command()
@_SOURCE
@click.argument("path", type=click.Path(path_type=Path))
@debug
def export(source, path):
    """Write a model as a SavedModel, to be served without seqlayers.

    SOURCE is a run's folder, of which best.keras is taken, or a .keras file. PATH must not exist.

    \b
    Examples:
      seqlayers export runs/jsb served/jsb/1
    """
    if os.path.lexists(path):
        raise click.UsageError(f"PATH must not exist yet. Received: {path}, which does.")

    runs = _import_runs()
    model, _ = runs.load_model(source)
    with writing(path):
        model.export(path)
    click.echo(str(path))


@cli.command()
@click.argument("name", type=_DATASET, required=False)
@debug
def data(name):
    """List the sets that ship with seqlayers, or tell all about one.

    \b
    Examples:
      seqlayers data
      seqlayers data jsb_chorales
    """
    if name:
        about = piano_roll.info(name)
        click.echo(f"{name}: {about.title}\n")
        for split in piano_roll.SPLITS:
            counts = f"{about.sequences[split]:6,} sequences {about.frames[split]:9,} frames"
            click.echo(f"  {split:6}{counts}")
        click.echo(f"  step  {about.step}")
        for field in ("source", "terms"):
            click.echo()
            click.echo(click.wrap_text(f"{field.title()}: {getattr(about, field)}", 80))
        return
    click.echo(f"{'name':14}{'train':>7}{'valid':>7}{'test':>7}{'frames':>11}  step, terms")
    for name in piano_roll.NAMES:
        about = piano_roll.info(name)
        counts = "".join(f"{about.sequences[split]:7,}" for split in piano_roll.SPLITS)
        click.echo(f"{name:14}{counts}{sum(about.frames.values()):11,}  {about.step}")
        click.echo(click.wrap_text(about.terms, 100, " " * 16, " " * 16))


@cli.command("recipes")
@click.argument("name", required=False)
@debug
def list_recipes(name):
    """List the recipes that ship with seqlayers, or tell all about one.

    The list has what each reached on the test split, in nats per frame, and what is printed of
    such a model: benchmarks/tables/music.py of the source trains and measures them.

    \b
    Examples:
      seqlayers recipes
      seqlayers recipes rnn-rbm-jsb
    """
    if name:
        recipe = recipes.read(name)
        click.echo(f"{name}: {recipe.title}\n")
        for option_name, value in recipe.options.items():
            if value is not None and option_name != "recipe":
                value = " ".join(map(str, value)) if isinstance(value, list) else value
                click.echo(f"  {flag(option_name):20} {value}")
        click.echo(f"\n  printed  {_nats(recipe.published)}\n  ours     {_score(recipe)}")
        return
    click.echo(f"{'name':26}{'printed':>8}{'ours':>9}")
    for name in recipes.names():
        recipe = recipes.read(name)
        click.echo(f"{name:26}{_nats(recipe.published):>8}{_score(recipe)}")


def _nats(nats):
    return "-" if nats is None else f"{nats:.2f}"


def _score(recipe):
    ours = recipe.measured
    if ours is None:
        return "  not run"
    nats, other = ours["nats"], ours.get("reverse_nats")
    bracket = f" ({other:.3f} from the other side)" if other is not None else ""
    return f"{nats:9.3f}  {ours['kind']}{bracket}, {ours['epochs']} epochs, {ours['seconds']:,} s"


def _import_runs():
    """The module of that name, without what TensorFlow says about the machine on being imported."""
    python_stderr, kept = sys.stderr, os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        sys.stderr = io.StringIO()
        from seqlayers import runs
    finally:
        sys.stderr = python_stderr
        os.dup2(kept, 2)
        os.close(kept)
    return runs


def _was_given(ctx, name):
    return ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def _new_options(given):
    """All options of a new run: those given, those of a recipe, and the rest."""
    told = dict(given)
    if "recipe" in given:
        told = {k: v for k, v in recipes.read(given["recipe"]).options.items() if v is not None}
        if "midi" in given:
            del told["dataset"]
        told |= given
        without = unused(DEFAULTS | told)
        told = {k: v for k, v in told.items() if k in given or k not in without}
    if ("dataset" in told) == ("midi" in told):
        came = "both" if "midi" in told else "neither"
        raise click.UsageError(f"Give --dataset or --midi, one of them. Received: {came}.")
    if told.get("augment") and told["augment"][0] > told["augment"][1]:
        low, high = told["augment"]
        raise click.UsageError(f"--augment wants LOW before HIGH. Received: {low} {high}.")
    return complete(told)


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


def _read_data(runs, options):
    with naming("--midi"):
        data = runs.read_data(options)
    counts = ", ".join(f"{len(getattr(data, s))} {s}" for s in piano_roll.SPLITS)
    _tell_skipped(data.skipped, sum(map(len, data[:3])))
    click.echo(f"{options['dataset'] or options['midi']}: {counts} sequences", err=True)
    if not data.valid:
        click.echo("One MIDI file: it trains, and none is left to validate or to test.", err=True)
    elif not data.test:
        click.echo("Two MIDI files: one trains, one validates, none is left to test.", err=True)
    return data


def _tell_skipped(skipped, read):
    if not skipped:
        return
    click.echo(f"Skipped {len(skipped)} of {len(skipped) + read} MIDI files:", err=True)
    for _, reason in skipped[:_SHOWN]:
        click.echo(f"  {reason}", err=True)
    if len(skipped) > _SHOWN:
        click.echo(f"  and {len(skipped) - _SHOWN} more", err=True)


def _compare(runs, config, data):
    """Makes sure that a run's data are still what they were, and tells if versions are not."""
    if config["data"]["sha256"] != runs.fingerprint(data):
        where = config["options"]["dataset"] or config["options"]["midi"]
        raise ValueError(
            "A run's data must stay what they were when it began. "
            f"Received: {where}, whose files have changed."
        )
    changed = [k for k, v in runs.versions().items() if config.get("versions", {}).get(k) != v]
    if changed:
        click.echo(
            f"Note: the run began with another version of {', '.join(changed)}; it goes on, but "
            "its numbers may differ from those of an undisturbed run.",
            err=True,
        )


def _step(runs, config, step_in_beats):
    """Length of a time step: what was asked for, else the run's, else an eighth note."""
    if step_in_beats is None:
        return runs.step_in_beats(config["options"]) if config else 0.5
    return step_in_beats


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


def main():
    """The command `seqlayers`."""
    cli(prog_name="seqlayers")


if __name__ == "__main__":
    main()

"""`seqlayers train`."""

import contextlib
import functools
import shlex

import click

from seqlayers import files
from seqlayers import report as pages
from seqlayers.checks import counted
from seqlayers.commands import label_scores
from seqlayers.commands.cli import HINT, check_utf8, import_runs, note, writing
from seqlayers.commands.parameters import GroupedCommand, debug, output, run_options, switch
from seqlayers.commands.run_data import compare_versions, read_data
from seqlayers.runs import folder, recipes
from seqlayers.runs.checkpoints import last_history
from seqlayers.runs.config import change_options, read_config, write_config
from seqlayers.runs.data import check_shares, num_batches, num_pieces
from seqlayers.runs.history import best_row, finished, write_table
from seqlayers.runs.options import complete, fixed, sequence_rules, unused, written
from seqlayers.runs.options.listing import DATA, LABELLER, MODEL, SEGMENTS, TRAINING
from seqlayers.runs.options.rules import SOURCES
from seqlayers.runs.options.schema import flag
from seqlayers.runs.registry import MODELS

OUTPUT = "Output"
FEW_BATCHES = 5  # of an epoch
_HELP = """Train a model and write it, its metrics and its configuration to a folder.

Give the data with --dataset, --midi, --wav, or a --recipe for a data set, and a folder with --out.
With --wav and --labels, a model learns an expert's labels of the recordings.
The folder gets config.json, metrics.csv, curves for TensorBoard, last.keras after each epoch and
best.keras, the best on the validation split.

Training prints `loss`, after a validation `val_log_likelihood`, and the time left. `loss` is the
training objective of the head. With independent units and NADE it is minus the log-likelihood of
the training data, in nats per frame. With RBMs and DBNs it is the objective of contrastive
divergence: it shows whether training is stable, and is no likelihood. `val_log_likelihood` is the
log-likelihood of the validation split in nats per frame, higher is better; Keras's `val_loss` is
minus that.

A run that was stopped, by Ctrl-C, `kill -9` or a full disk, goes on with --resume from its last
whole epoch, and ends as if it had not been stopped. Pre-training that was stopped starts again.
--resume needs no option but --out. It accepts new values for --patience, --validate-every and, with
a constant learning rate, --epochs.

\b
Models:
{models}

MIDI files, given with --midi, are trained by the recipe tied-nade-midi unless --model or --cell is
given: a NADE whose keys share one network, with a batch size and a number of epochs that suit the
size of the data. A dozen short tunes are enough.

Recordings, given with --wav, are cut into the segments that `seqlayers segment` finds with the same
options; runs of speech and other long ones are split into parts of at most a quarter of a second,
unless --method percentile, --max-length or --long is given. A frame is a spectrum of 256 samples;
frames are 128 samples apart. Each recording is split by time: its first segments, 80% of the sound,
train, the next 10% validate, the last 10% test.
--visibles gaussian models logarithms of amplitudes, gamma models amplitudes, and bernoulli models
logarithms scaled to [0, 1]. The default model is the RNN-RBM on spectrograms with sigmoid gates,
trained by Adam; --recipe rnn-rbm-spectrograms has the model and the training as published.

With --labels, a network learns which label each frame of the recordings has, or none. Frames are 1
ms apart, and 10 ms at sample rates below 20,000 Hz, as suits speech: for song at such a rate, give
--sample-rate 22050. The label file of song.wav is song.txt, song.TextGrid, song.csv and the like.
Ten recordings or more are split in the order of their paths, the last tenth to test and the tenth
before it to validate; where there are fewer, each is split by time, in those shares of its labels.
`val_log_likelihood` is the mean log-probability of the right label then, `val_error_rate` the edits
per label. `seqlayers annotate` labels other recordings, `seqlayers score` compares labels.

\b
Examples:
  seqlayers train --dataset jsb_chorales --out runs/jsb
  seqlayers train --out runs/jsb --resume --epochs 150
  seqlayers train --recipe lstm-nade-jsb --out runs/lstm_nade
  seqlayers train --dataset nottingham --model rnn-bernoulli --cell lstm \\
      --augment -5 6 --patience 20 --out runs/folk
  seqlayers train --midi music --out runs/music
  seqlayers train --midi music --step-in-beats 0.25 --test 0.2 --split-seed 1 --out runs/drawn
  seqlayers train --wav birds --out runs/birds
  seqlayers train --wav songs --labels labels --out runs/songs
  seqlayers train --recipe rnn-rbm-spectrograms --wav birds --threshold 85 --min-length 10 \\
      --max-length 1000 --out runs/published
""".format(models="\n".join(f"  {name:14}{model.title}" for name, model in MODELS.items()))


@click.command(cls=GroupedCommand, help=_HELP)
@run_options(DATA, "Data")
@run_options(SEGMENTS, "Segments of recordings")
@run_options(MODEL, "Model")
@run_options(LABELLER, "Model of labels")
@run_options(TRAINING, "Training")
@output("--out", "Write the run to this folder.", OUTPUT, required=True)
@switch("--resume", "Go on with the run in --out.", OUTPUT)
@switch("--overwrite", "Delete the run in --out first.", OUTPUT)
@switch(
    "--report",
    f"Keep {folder.REPORT} in --out up to date: a page to look at and to listen to, see "
    "`seqlayers report`.",
    OUTPUT,
)
@debug
@click.pass_context
def train(ctx, out, resume, overwrite, report, **options):
    """Starts a run in `out`, or resumes the one there."""
    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other; give one of them.")
    given = {name: value for name, value in options.items() if value is not None}
    for name in ("midi", "wav", "labels"):
        if name in given:
            given[name] = str(given[name].resolve())
    if not resume:
        options = _new_options(given)
        _check_report(report, options)
    check_utf8("--out", out)
    folder.check(out, resume, overwrite)

    with contextlib.ExitStack() as stack:
        stack.enter_context(writing(out))
        config = None
        if resume:
            stack.enter_context(folder.claim(out, resume=True))
            config = read_config(out)
            options = _resumed_options(config, given)
            _check_report(report, options)
            history = last_history(out, options)
            _check_epochs(options, given, history)
            if finished(history, options):
                _end(out, config, options, history)
                if report:
                    data = read_data(options, config)
                    runs = import_runs()
                    compare_versions(config)
                    click.echo("Wrote:")
                    _write_page(runs, out, data, history)
                return
        data = read_data(options, config)
        if options["patience"] and not data.valid:
            wanted = "at least two MIDI files"
            if options["labels"]:
                wanted = "more labels"
            elif options["wav"]:
                wanted = "recordings with more segments"
            elif options["valid"] == 0:
                wanted = "--valid above 0"
            raise click.UsageError(
                f"--patience needs {wanted}, so that some validate. "
                f"Received: {counted(len(data.train), 'sequence')} to train on, and none to "
                "validate on."
            )
        if not config:
            options = _sized(options, given, data.train)
        _report_few(options, data.train)
        runs = import_runs()
        if config:
            compare_versions(config)
        else:
            stack.enter_context(folder.claim(out, overwrite=overwrite))
            folder.clear(out)
        ctx.meta[HINT] = functools.partial(_how_to_go_on, out)
        if not config or options != config["options"]:
            write_config(out, options, data)
        model, history = runs.training.last_model(out, options, data)
        done = f"{counted(len(history), 'epoch')} done" if history else "new"
        click.echo(f"{_title(options)} with {model.count_params():,} weights, {done}, in {out}")
        callbacks = []
        if report:
            about = options, data, history, read_config(out)["versions"]
            callbacks.append(runs.reporting.Refreshed(out, *about))
        runs.training.fit(out, model, history, options, data, callbacks)
        _report(runs, out, model, history, options, data)
        if report:
            _write_page(runs, out, data, history)


def _title(options):
    """Returns the name of the model of a run."""
    return f"labeller {options['network']}" if options["labels"] else options["model"]


def _how_to_go_on(out):
    """Returns what to do after a run was stopped."""
    there = files.mode_of(out / folder.LAST) is not None
    kept = "Finished epochs are kept" if there else "No epoch is finished"
    command = shlex.join(["seqlayers", "train", "--out", str(out), "--resume"])
    return f"{kept}. Go on with: {command}"


def _new_options(given):
    """Returns all options of a new run: those given, else those of a recipe, else defaults."""
    if "midi" in given and not given.keys() & {"recipe", "model", "cell"}:
        given = given | {"recipe": recipes.OWN_MIDI}
    chosen = dict(given)
    if "recipe" in given:
        chosen = {k: v for k, v in recipes.read(given["recipe"]).options.items() if v is not None}
        if given.keys() & {"midi", "wav"}:
            chosen.pop("dataset", None)
        chosen |= given
        without = unused(chosen)
        chosen = {k: v for k, v in chosen.items() if k in given or k not in without}
    came = [flag(source) for source in SOURCES if source in chosen]
    if len(came) != 1:
        *others, last = map(flag, SOURCES)
        raise click.UsageError(
            f"Give one of {', '.join(others)} and {last}. Received: {' and '.join(came) or 'none'}."
        )
    options = complete(chosen)
    if (
        options["wav"] and not options["labels"]
    ):  # contradictions are refused before anything is read
        sequence_rules(options)
    check_shares(options)
    return options


def _sized(options, given, sequences):
    """Returns the options with those that the size of the data sets, and prints them."""
    pieces = num_pieces(options, sequences)
    fitted = recipes.sized(options, given, pieces)
    if fitted is not options:
        chosen = {k: fitted[k] for k in ("recipe", *recipes.SIZED) if k not in given}
        if chosen.keys() - {"recipe"}:
            words = [word for k, v in chosen.items() for word in (flag(k), *written(k, v))]
            number = counted(pieces, "sequence")
            note(f"By the size of the data, {number} once cut: {shlex.join(words)}")
    return fitted


def _report_few(options, sequences):
    """Prints whether a training has few updates, and how to change it."""
    number = num_batches(options, sequences)
    if number < FEW_BATCHES:
        cut = "lower --max-steps" if options["max_steps"] else "cut sequences by --max-steps"
        note(
            f"An epoch has {counted(number, 'batch')} of "
            f"{counted(options['batch_size'], 'sequence')}: "
            f"{counted(options['epochs'] * number, 'update')} in "
            f"{counted(options['epochs'], 'epoch')}. Fewer than {FEW_BATCHES} batches an epoch "
            f"learn little: give a smaller --batch-size, {cut}, or raise --epochs."
        )


def _resumed_options(config, given):
    """Returns the options of a run, with new values for those that may change."""
    options = dict(config["options"])
    for name, value in given.items():
        value = list(value) if isinstance(value, tuple) else value
        if name not in fixed(options):
            options[name] = value
        elif options.get(name) != value:
            raise click.UsageError(
                f"{flag(name)} cannot change in a run; remove it, or begin another run in a new "
                f"--out. Received: {value}, and the run has {options.get(name)}."
            )
    return options


def _check_report(report, options):
    if report and options["labels"]:
        raise click.UsageError("`--report` has no effect with `--labels`; remove it.")


def _check_epochs(options, given, history):
    if "epochs" in given and options["epochs"] < len(history):
        raise click.UsageError(
            "--epochs must be at least the number of epochs that are done; a run does not go back. "
            f"Received: {options['epochs']}, and {len(history)} are done."
        )


def _end(out, config, options, history):
    """Reports a run that has nothing left to train, without the seconds that TensorFlow takes."""
    write_table(out, history)
    if options != config["options"]:
        change_options(out, options)
    done = counted(len(history), "epoch")
    click.echo(f"{_title(options)}, {done} done, in {out}: the run is finished.")
    _report_epochs(history, options, best_row(history))
    click.echo(f"Score it with: {shlex.join(['seqlayers', 'score', str(out)])}")
    if options["labels"]:
        command = ["seqlayers", "annotate", str(out), "RECORDINGS", "--out", "FOLDER"]
        click.echo(f"Label recordings with: {shlex.join(command)}")
    else:
        click.echo(f"Listen to it with: {shlex.join(['seqlayers', 'report', str(out)])}")


def _write_page(runs, out, data, history):
    """Writes the page of a run and prints its name."""
    page = runs.reporting.page_of_run(out, read_config(out), data, history)
    pages.write(out / folder.REPORT, page, follow=False)
    click.echo(f"  {out / folder.REPORT}")


def _report_epochs(history, options, best):
    """Prints whether the run stopped early, and its best epoch, a row of the history or None."""
    if options["patience"] and len(history) < options["epochs"]:
        click.echo(f"Stopped early: no better for {counted(options['patience'], 'epoch')}.")
    if best:
        click.echo(f"Best on the validation split: epoch {best['epoch']}")


def _report(runs, out, model, history, options, data):
    """Prints whether the run stopped early, its likelihood on the test split, and its files."""
    best = best_row(history) if (out / folder.BEST).exists() else None
    if best:
        model, _ = runs.loading.load_model(out, labels=bool(options["labels"]))
    _report_epochs(history, options, best)
    split = next((s for s in ("test", "valid", "train") if data.splits[s]), None)
    if options["labels"]:
        score = label_scores.text(model.score(data.splits[split], data.targets[split]))
    else:
        score = model.score(data.splits[split], bracket=model.head.kind == "estimate")
    click.echo(f"{split}: {score}")
    click.echo("Wrote:")
    for name in (folder.CONFIG, folder.TABLE, folder.CURVES, folder.LAST, folder.BEST):
        if (out / name).exists():
            click.echo(f"  {out / name}")

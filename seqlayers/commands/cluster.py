"""`seqlayers cluster`."""

import shlex
from pathlib import Path

import click
import numpy as np

from seqlayers import __version__, audio, files, report
from seqlayers.checks import NotFiniteError, counted
from seqlayers.commands.cli import (
    check_absent,
    check_kept,
    import_runs,
    list_skipped,
    list_unmatched,
    naming,
    note,
    silent_imports,
    write_table,
    writing,
)
from seqlayers.commands.parameters import check_needed, debug, label_options, option, switch
from seqlayers.commands.run_data import compare_versions, list_resampled
from seqlayers.commands.segment_pictures import check_picture
from seqlayers.datasets import labels as label_files
from seqlayers.runs import checkpoints
from seqlayers.runs import folder as run_folder
from seqlayers.runs import segments as run_segments
from seqlayers.runs.options import naming_flags
from seqlayers.runs.options.rules import SOURCES
from seqlayers.runs.options.schema import Integer, flag
from seqlayers.runs.registry import MODELS

COLUMNS = ("file", "onset_s", "offset_s", "label", "confidence")
NO_KIND = "-"  # the label of a segment of no kind
NEEDED = dict.fromkeys(["tier", "column", "given_borders"], "labels")

_FILE = click.Path(dir_okay=False, path_type=Path)
_EXISTING = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("run", type=_EXISTING)
@click.argument("recordings", type=_EXISTING)
@click.option(
    "--out",
    type=_FILE,
    required=True,
    help="Write a CSV file: file, onset_s and offset_s in seconds, label, confidence.",
)
@click.option(
    "--picture",
    type=_FILE,
    help="Draw the map of segments, and spectrograms of three of each kind: .png, .svg or .pdf.",
)
@click.option(
    "--page",
    type=_FILE,
    metavar="FILE.html",
    help="Write the map as a page for a browser, where each segment is heard when it is clicked.",
)
@click.option(
    "--labels",
    type=_EXISTING,
    help="Print how well the kinds agree with the labels of this folder or table, made by hand.",
)
@label_options
@switch("--given-borders", "Take the segments of --labels in place of those that are found.")
@option("--seed", Integer(0, 2**31 - 1), "Seed of the map.", default=0)
@switch("--overwrite", "Replace files with the same names.")
@debug
def cluster(
    run, recordings, out, picture, page, labels, tier, column, given_borders, seed, overwrite
):
    """Sort the segments of recordings into kinds, without labels.

    RUN is the folder of a run on recordings, or a .keras file of one; RECORDINGS is a recording or
    a folder of them, those of the run or others of the same animal. Their segments are found as the
    run found its own. Kinds are numbered from 1, the most frequent one; their number is found, too.
    A segment of no kind has the label -. It needs scikit-learn: pip install 'seqlayers[cluster]'.

    \b
    Examples:
      seqlayers cluster runs/birds birds --out kinds.csv --page kinds.html
      seqlayers cluster runs/birds tuesday --out tuesday.csv --picture map.png --labels marks
    """
    _check_targets(out, picture, page)
    check_absent([out, picture, page], overwrite)
    check_needed(NEEDED, {"labels": labels})
    config = checkpoints.check(run)[2]
    _check_sound(run, config)
    options, sound = config["options"], config["sound"]
    reading = {"tier": tier, "column": column}
    kind = MODELS[options["model"]]
    if not (kind.memory or kind.head.has_code):
        raise click.UsageError(
            "RUN must be a run of a model with a memory, an RBM or a DBN, whose states or codes "
            f"are compared. Received: {files.printable(run)}, with --model {options['model']}."
        )
    kept = [run, *run_folder.own_files(run if run.is_dir() else run.parent)]
    targets = [out, picture, page]
    found = _found(recordings, options, sound, labels, reading, given_borders, targets, kept)
    runs = import_runs()
    compare_versions(config)
    model, _ = runs.loading.load_model(run)
    with naming("RUN", NotFiniteError):
        vectors = runs.kinds.vectors(model, found, options, sound)
    with naming("--labels" if given_borders else "RECORDINGS", ValueError):
        kinds = runs.kinds.sort(vectors, found, seed)
    names = [str(number) if number else NO_KIND for number in kinds.numbers]
    write_table(out, COLUMNS, _rows(found, names, kinds.confidence))
    click.echo(runs.kinds.summary(found, kinds))
    click.echo(files.printable(out))
    if picture:
        from seqlayers import plotting

        spectra = runs.kinds.examples(found, kinds, options, sound)
        figure = plotting.kind_map(kinds.places, kinds.numbers, spectra)
        with writing(picture):
            picture.parent.mkdir(parents=True, exist_ok=True)
            plotting.save(figure, picture)
        click.echo(files.printable(picture))
    if page:
        made = runs.kinds.page(
            *(found, kinds, options, sound),
            title=f"Kinds of segments of {files.printable(recordings)}",
            commands=[_command(run, recordings, out, page, labels, reading, given_borders, seed)],
            facts=[("run", files.printable(run)), ("seqlayers", __version__)],
        )
        with writing(page):
            page.parent.mkdir(parents=True, exist_ok=True)
            report.write_kinds(page, made)
        click.echo(files.printable(page))
    if labels:
        _show_agreement(found, kinds.numbers, given_borders)


def _check_targets(out, picture, page):
    """Refuses files and missing libraries before any work."""
    given = [path for path in (out, picture, page) if path]
    if len({path.resolve() for path in given}) < len(given):
        raise click.UsageError(
            "--out, --picture and --page must differ. "
            f"Received: {', '.join(map(files.printable, given))}."
        )
    if picture:
        check_picture(picture)
    if page and page.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"--page must end as .html or .htm. Received: {page}.")
    with silent_imports():
        try:
            from sklearn.cluster import HDBSCAN  # noqa: F401
        except ImportError as error:
            raise click.UsageError(
                "`seqlayers cluster` needs scikit-learn: pip install 'seqlayers[cluster]'. "
                f"Received: {error}"
            ) from error
        except Exception as error:  # a scikit-learn that was built for another NumPy
            raise click.UsageError(
                "scikit-learn cannot be imported; install it anew: pip install --force-reinstall "
                f"scikit-learn. Received: {error}"
            ) from error


def _check_sound(run, config):
    """Refuses what is no run that learned the frames of recordings."""
    if config is None:
        came = f"{files.printable(run)}, without the {run_folder.CONFIG} of a run"
    elif not config.get("sound"):
        source = next(name for name in SOURCES if config["options"][name] is not None)
        labels = config["options"]["labels"] is not None
        came = f"{files.printable(run)}, a run with {flag('labels' if labels else source)}"
    else:
        return
    raise click.UsageError(f"RUN must be a run with --wav and without --labels. Received: {came}.")


def _found(recordings, options, sound, labels, reading, given, targets, kept):
    """Returns the segments, and lists the recordings that have none."""
    matched = None
    with naming("RECORDINGS"):
        paths = audio.find(recordings)
    if labels:
        with naming("--labels"), naming_flags():
            matched = label_files.match(recordings, labels, **reading)
        _check_labels(matched, labels, reading, given)
        kind = "label files" if labels.is_dir() else f"recordings of {files.printable(labels)}"
        list_unmatched(matched, kind)
        if given and matched.unlabelled:
            note(f"Without labels, and not read: {counted(len(matched.unlabelled), 'recording')}.")
    marks = [*matched.sources, *matched.unmatched] if matched else []
    check_kept(
        targets,
        [*paths, *(mark for mark in marks if isinstance(mark, Path)), *kept],
        "--out, --picture and --page must not replace a recording, a label file or a file of RUN.",
    )
    with naming("--labels" if labels else "RECORDINGS"):
        found = run_segments.find(recordings, options, sound, matched, given)
    list_skipped(found.skipped, len(found.recordings), "recordings")
    list_resampled(found.resampled, sound.settings.sample_rate)
    if len(found.times) < run_segments.LEAST:
        where = "--labels" if given else "RECORDINGS, by the rules of RUN,"
        raise click.UsageError(
            f"{where} must have at least {run_segments.LEAST} segments to sort them into kinds. "
            f"Received: {counted(len(found.times), 'segment')} in "
            f"{counted(len(found.recordings), 'recording')} of {recordings}."
        )
    return found


def _check_labels(matched, labels, reading, given):
    """Refuses labels that mark nothing, or with which nothing could be compared."""
    read = "".join(f", {flag(k)} {files.printable(v)}" for k, v in reading.items() if v is not None)
    where = f"--labels {files.printable(labels)}{read}"
    number = counted(sum(map(len, matched.annotations)), "label")
    if given and not any(np.any(np.diff(a.times) > 0) for a in matched.annotations):
        raise click.UsageError(
            f"--labels must mark segments for --given-borders. Received: {where}, with "
            f"{number}, and none that lasts."
        )
    if not given and not any(map(run_segments.named, matched.annotations)):
        raise click.UsageError(
            "--labels must name segments, for kinds to be compared with: as `label` in a CSV, or "
            f"in the column of --column of a table of Raven. Received: {where}, with {number}, "
            "and none that has a name."
        )


def _rows(found, names, confidence):
    each = zip(found.owners, found.times, names, confidence, strict=True)
    for owner, (start, end), name, sure in each:
        file = files.printable(found.recordings[owner].name)
        yield file, f"{start:.6f}", f"{end:.6f}", name, f"{sure:.3f}"


def _command(run, recordings, out, page, labels, reading, given, seed):
    """Returns the command that makes the page, for the page."""
    words = ["seqlayers", "cluster", run, recordings, "--out", out, "--page", page]
    for name, value in {"labels": labels, **reading}.items():
        words += [flag(name), value] if value is not None else []
    words += ["--given-borders"] if given else []
    words = [f"./{w}" if isinstance(w, Path) and str(w).startswith("-") else w for w in words]
    return shlex.join(map(files.printable, [*words, "--seed", str(seed)]))


def _show_agreement(found, numbers, given):
    """Prints the agreement of kinds with labels."""
    with silent_imports():
        from seqlayers import metrics  # late: it imports Keras

        labels, missed = run_segments.labels_of(found)
    known = np.array([label is not None for label in labels])
    if not known.any():
        click.echo("No segment has a label of --labels, with which its kind could be compared.")
        return
    labels, clusters = [label for label in labels if label is not None], numbers[known].tolist()
    v = metrics.v_measure(labels, clusters)
    ami = metrics.adjusted_mutual_information(labels, clusters)
    where = "given borders" if given else "found borders"
    click.echo(
        f"Agreement with {counted(len(set(labels)), 'label')} of "
        f"{counted(len(labels), 'segment')}, {where}: V-measure {v:.3f}, "
        f"adjusted mutual information {ami:.3f}"
    )
    if not given:
        others = int((~known).sum())
        click.echo(
            f"Not compared: {counted(others, 'segment')} without a label, and "
            f"{counted(missed, 'label')} for which no segment was found"
        )

"""What the commands share: how they end, the kinds of their options, and who may write where."""

import contextlib
import errno
import io
import math
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

import click

from seqlayers.audio import AudioError, NoSegments
from seqlayers.datasets.midi import MidiError
from seqlayers.runs.options import DEFAULTS, OF_RECORDINGS

DEBUG, HINT = "seqlayers.debug", "seqlayers.hint"  # in click's `ctx.meta`
SHOWN = 10  # of the files that could not be read


class Failure(click.ClickException):
    """A message and the exit status it ends with."""

    def __init__(self, message, exit_code):
        super().__init__(message)
        self.exit_code = exit_code


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which lets go of everything just as Ctrl-C does."""


class Commands(click.Group):
    """Turns what a command raises into a message and an exit status."""

    def invoke(self, ctx):
        try:
            with _sigterm_raises():
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            terminated = isinstance(stop, _Terminated)
            click.echo(f"\nStopped{' by SIGTERM' if terminated else ''}.", err=True)
            if ctx.meta.get(HINT):
                click.echo(ctx.meta[HINT], err=True)
            ctx.exit(143 if terminated else 130)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # `seqlayers data | head`; click knows what to do
            if ctx.meta.get(DEBUG):
                traceback.print_exc()
            message, code = _explain(error)
            raise Failure("\n".join(filter(None, [message, ctx.meta.get(HINT)])), code) from error


def _explain(error):
    """What to say of an exception, and the exit status."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}.", 2
    if isinstance(error, ValueError | OSError):
        return str(error), 2
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "There is not enough memory. Smaller sizes, or fewer at once, would do.", 2
    return (
        f"{type(error).__name__}: {error}\nThis should not happen; --debug shows where it did.",
        1,
    )


@contextlib.contextmanager
def _sigterm_raises():
    def stop(*_):
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Number(click.ParamType):
    """A number that `takes` says yes to; NaN and infinity are none."""

    name = "number"

    def __init__(self, wanted, takes):
        self.wanted, self.takes = wanted, takes

    def convert(self, value, param, ctx):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and self.takes(number)):
            self.fail(f"{value!r} is not a number {self.wanted}.", param, ctx)
        return number


POSITIVE = Number("above 0", lambda x: x > 0)
AT_LEAST_0 = Number("of at least 0", lambda x: x >= 0)
PERCENTILE = Number("from 0 to 100", lambda x: 0 <= x <= 100)
SHARE = Number("from 0 to 1, 1 left out", lambda x: 0 <= x < 1)
SIZE, COUNT = click.IntRange(1, 10_000), click.IntRange(1)
RATE = click.IntRange(1, 1_000_000)
SEED, SHIFT = click.IntRange(0, 2**31 - 1), click.IntRange(-88, 88)
FOLDER = click.Path(file_okay=False, path_type=Path)
THERE = click.Path(exists=True, path_type=Path)


def option(*names, **settings):
    """`click.option` that tells its default, with N for a whole number.

    One of the options of a run has the default that `seqlayers.runs.options` gives it.
    """
    name = names[0].removeprefix("--").replace("-", "_")
    settings.setdefault("default", DEFAULTS.get(name))
    settings.setdefault("show_default", settings["default"] is not None)
    if name in OF_RECORDINGS:
        settings["show_default"] = f"{DEFAULTS[name]}, {OF_RECORDINGS[name]} with --wav"
    if isinstance(settings["type"], click.IntRange):
        settings.setdefault("metavar", "N")
    return click.option(*names, **settings)


source = click.argument("source", type=THERE)
step_option = option(
    "--step-in-beats", type=POSITIVE, help="Time step of MIDI files: 0.5 is an eighth note."
)
transpose_option = option(
    "--transpose", type=SHIFT, default=0, help="Semitones to add to each note of MIDI files."
)
_MILLISECONDS = {"type": AT_LEAST_0, "metavar": "MS"}
_SOUND_OPTIONS = (
    option("--channel", type=click.IntRange(0), help="Of recordings; else the mean of all."),
    option("--threshold", type=PERCENTILE, help="Percentile of loudness above which is sound."),
    option("--buffer", **_MILLISECONDS, help="Added before and behind each segment."),
    option("--min-spacing", **_MILLISECONDS, help="Segments less apart than this are one."),
    option("--window", **_MILLISECONDS, help="Over which loudness is smoothed."),
    option("--min-length", **_MILLISECONDS, help="Shorter segments are left out."),
    option("--max-length", **_MILLISECONDS, help="Longer segments are left out."),
    option(
        "--long", type=click.Choice(("drop", "split")), help="Leave them out, or cut them instead."
    ),
    option(
        "--band", type=AT_LEAST_0, nargs=2, metavar="LOW HIGH", help="Hz to look for segments in."
    ),
)


def sound_options(command):
    """The options of recordings and of segments, `seqlayers.runs.options.SEGMENTS`."""
    for each in reversed(_SOUND_OPTIONS):
        command = each(command)
    return command


def was_given(ctx, name):
    """Whether an option was told on the command line."""
    return ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def import_runs():
    """The module of that name, without what TensorFlow says about the machine on being imported."""
    python_stderr, kept = sys.stderr, os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        sys.stderr = io.StringIO()
        from seqlayers.runs import folder
    finally:
        sys.stderr = python_stderr
        os.dup2(kept, 2)
        os.close(kept)
    return folder


def tell_skipped(skipped, read, kind):
    """Says which files could not be used, and why.

    Args:
        skipped: Pairs `(file, reason)`; a reason names its file.
        read: Number of files that could.
        kind: What these files are called.
    """
    if not skipped:
        return
    click.echo(f"Skipped {len(skipped)} of {len(skipped) + read} {kind}:", err=True)
    for _, reason in skipped[:SHOWN]:
        click.echo(f"  {reason}", err=True)
    if len(skipped) > SHOWN:
        click.echo(f"  and {len(skipped) - SHOWN} more", err=True)


@contextlib.contextmanager
def naming(flag):
    """Says which option a file came by that cannot be read or has nothing to offer."""
    try:
        yield
    except (MidiError, AudioError, NoSegments) as error:
        raise click.BadParameter(str(error), param_hint=flag) from error


@contextlib.contextmanager
def writing(path):
    """Says where a disk is full: a failed write, unlike a failed opening, does not."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def _set_debug(ctx, _, value):
    ctx.meta[DEBUG] = value


debug = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_set_debug,
    help="Show the traceback of an error.",
)

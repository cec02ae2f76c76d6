"""What the commands share: how they end, the kinds of their options, and who may write where."""

import contextlib
import errno
import math
import signal
import threading
import traceback

import click

from seqlayers.datasets.midi import MidiError
from seqlayers.options import DEFAULTS

DEBUG, HINT = "seqlayers.debug", "seqlayers.hint"  # in click's `ctx.meta`


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


class Positive(click.ParamType):
    """A number above 0, which neither NaN nor infinity is."""

    name = "number"

    def convert(self, value, param, ctx):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            self.fail(f"{value!r} is not a number above 0.", param, ctx)
        return number


class Share(Positive):
    """A number from 0 to 1, 1 left out."""

    def convert(self, value, param, ctx):
        if value in (0, "0", "0.0"):
            return 0.0
        number = super().convert(value, param, ctx)
        if number >= 1:
            self.fail(f"{value!r} is not a number from 0 to 1, 1 left out.", param, ctx)
        return number


def option(*names, **settings):
    """`click.option` that tells its default, with N for a whole number.

    One of the options of a run has the default that `seqlayers.options` gives it.
    """
    default = DEFAULTS.get(names[0].removeprefix("--").replace("-", "_"))
    settings.setdefault("default", default)
    settings.setdefault("show_default", settings["default"] is not None)
    if isinstance(settings["type"], click.IntRange):
        settings.setdefault("metavar", "N")
    return click.option(*names, **settings)


@contextlib.contextmanager
def naming(flag):
    """Says which option a file came by that cannot be read."""
    try:
        yield
    except MidiError as error:
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

"""What the commands that ask a server have in common: its address, their exit codes, the progress of long work."""

import errno
import io
import math
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import IO, Any, NoReturn, TextIO, TypeVar

import click

from film.specs import CLIENT_TIMEOUT, GRPC_PORT

T = TypeVar("T")
SOME_FAILED = 1
"""Exit code when some pictures had errors."""


class _Ending(click.ClickException):
    """Its exit code stands also where standard error cannot be written: both streams may go to one full disk."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Say it, if that can be."""
        with _heard_or_not():
            super().show(file)


class ServerTrouble(_Ending):
    """Ends the command with exit code 3: no server, or not the answer it should give."""

    exit_code = 3


class OutputLost(_Ending):
    """Ends the command with exit code 74 (EX_IOERR of sysexits.h): what it says or makes cannot be written."""

    exit_code = 74


def prepare_output() -> None:
    """Have standard output take every character, and all of what it is given or raise OSError."""
    if not isinstance(sys.stdout, io.TextIOWrapper):
        return
    raw: object = sys.stdout.buffer
    if isinstance(raw, io.RawIOBase):
        # PYTHONUNBUFFERED, which containers set: text would go straight to write(2), which may take a part of a line
        # and say how much, and nobody would listen. A buffer tries the rest, and fails if that cannot be written.
        buffered = io.BufferedWriter(raw)
        sys.stdout = io.TextIOWrapper(buffered, sys.stdout.encoding, sys.stdout.errors, line_buffering=True)
    sys.stdout.reconfigure(errors="backslashreplace")  # a file may be called what the terminal has no signs for


def say(text: str) -> None:
    """Print to standard output, as `saying` says."""
    with saying():
        click.echo(text)


@contextmanager
def saying() -> Iterator[None]:
    """For what writes to standard output: where nobody reads it any more, end as quietly as a signal would.

    Raises OutputLost where it cannot be written for another reason.
    """
    try:
        yield
    except OSError as error:
        _forget(sys.stdout)
        if error.errno == errno.EPIPE:
            sys.exit(128 + signal.SIGPIPE)
        raise OutputLost(f"standard output cannot be written: {error.strerror}") from error


def note(text: str) -> None:
    """Print to standard error. One that cannot be shown is no reason to stop."""
    with _heard_or_not():
        click.echo(text, err=True)


@contextmanager
def _heard_or_not() -> Iterator[None]:
    """For what writes to standard error, which may not take it. Nothing is written there after that."""
    try:
        yield
    except OSError:
        _forget(sys.stderr)


def _forget(stream: TextIO) -> None:
    """Have ``stream`` lead nowhere: what is buffered is tried again at the end, and would change the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def on_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sees what is written there; a stream that was closed from the start is None."""
    return stream is not None and stream.isatty()


def _finite(_: click.Context, __: click.Parameter, seconds: float) -> float:
    if not math.isfinite(seconds):  # click's range lets both nan and inf through
        raise click.BadParameter("it must be a number of seconds, more than 0")
    return seconds


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --url and --timeout."""
    url = click.option(
        "--url",
        default=f"localhost:{GRPC_PORT}",
        envvar="SAFELIGHT_URL",
        show_default=True,
        show_envvar=True,
        help="The server: host:port speaks gRPC; http://host:port HTTP; grpcs:// and https:// encrypt; grpc+shm:// "
        "sends pictures to a server on this machine through shared memory.",
    )
    timeout = click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        default=CLIENT_TIMEOUT,
        show_default=True,
        callback=_finite,
        help="Seconds for one request, its retries included.",
    )
    return url(timeout(command))


def models_option(known: Sequence[str], what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add --models: some of ``known``, with commas between them; all of them unless it is given."""

    def names(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
        found = tuple(filter(None, (name.strip() for name in value.split(","))))
        if not found or not set(found) <= set(known):
            raise click.BadParameter(f"{value!r} is not one or more of {', '.join(known)}, with commas between them")
        return found

    return click.option("--models", default=",".join(known), show_default=True, callback=names, help=what)


@contextmanager
def server_errors() -> Iterator[None]:
    """Turn what the client raises into a sentence and an exit code.

    A signal to end, too: what was answered is still printed, and no file is left half written.
    """
    from client import ClientError, InvalidAddress

    try:
        with _ending_on(signal.SIGTERM, signal.SIGHUP):
            yield
    except InvalidAddress as error:
        raise click.BadParameter(str(error), param_hint="--url") from error
    except ClientError as error:
        raise ServerTrouble(str(error)) from error


@contextmanager
def _ending_on(*numbers: signal.Signals) -> Iterator[None]:
    """Let these signals raise SystemExit, unless they are ignored (nohup does that) or have a handler already."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        for one in mine:
            signal.signal(one, signal.SIG_IGN)  # `timeout` sends it twice, and what is to be printed comes first
        sys.exit(128 + number)

    mine: list[signal.Signals] = []
    try:
        mine = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
        for number in mine:
            signal.signal(number, end)
    except ValueError:  # signals are the main thread's
        mine = []
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def with_progress(answers: Iterable[T], total: int, what: str, *, quiet: bool = False) -> Iterator[T]:
    """Show on the terminal's stderr how far the answers have come; where stderr is no terminal, show nothing."""
    if quiet or total < 2 or not on_terminal(sys.stderr):
        yield from answers
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(answers, total=total)

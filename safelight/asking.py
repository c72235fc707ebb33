"""What the commands that ask a server have in common: its address, their exit codes, the progress of long work."""

import errno
import math
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from film.specs import CLIENT_TIMEOUT, GRPC_PORT

T = TypeVar("T")
SOME_FAILED = 1
"""Exit code when some pictures had errors."""


class ServerTrouble(click.ClickException):
    """Ends the command with exit code 3: no server, or not the answer it should give."""

    exit_code = 3


class OutputLost(click.ClickException):
    """Ends the command with exit code 74 (EX_IOERR of sysexits.h): what it says cannot be written."""

    exit_code = 74


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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered is tried again at the end
        if error.errno == errno.EPIPE:
            sys.exit(128 + signal.SIGPIPE)
        raise OutputLost(f"standard output cannot be written: {error.strerror}") from error


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


@contextmanager
def server_errors() -> Iterator[None]:
    """Turn what the client raises into a sentence and an exit code."""
    from client import ClientError, InvalidAddress

    try:
        yield
    except InvalidAddress as error:
        raise click.BadParameter(str(error), param_hint="--url") from error
    except ClientError as error:
        raise ServerTrouble(str(error)) from error


def with_progress(answers: Iterable[T], total: int, what: str, *, quiet: bool = False) -> Iterator[T]:
    """Show on the terminal's stderr how far the answers have come; where stderr is no terminal, show nothing."""
    if quiet or total < 2 or not sys.stderr.isatty():
        yield from answers
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(answers, total=total)

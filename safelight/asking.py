"""What the commands that ask a server have in common: its address, their exit codes, the progress of long work."""

import math
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
        help="The server: host:port speaks gRPC; http://host:port HTTP; grpcs:// and https:// encrypt.",
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

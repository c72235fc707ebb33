"""`safelight serve`."""

import typing

import click

from film import specs
from film.commands import NamedPath
from serving.access import HEADER, KEY_VARIABLE
from serving.errors import ServingError
from serving.overlay import KEYS
from serving.settings import (
    DEFAULT_REPOSITORY,
    LARGEST_PROCESS,
    LONGEST_SECONDS,
    PROFILES,
    Device,
    LogLevel,
    Settings,
)

_EXAMPLES = """\b
Examples:
  safelight serve
  safelight serve --models film_origin --http-port 9000 --grpc-port 9001 --metrics-port 9002
  safelight serve --host 0.0.0.0 --log-level info
  safelight serve --profile native
  safelight serve --overlay out/tune/safelight.toml

The server runs in the foreground; Ctrl-C or SIGTERM stops it after it has finished what it was asked.
"""


class _CannotServe(click.ClickException):
    exit_code = 2


def _comma_separated(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in value.split(","))))


@click.command(epilog=_EXAMPLES)
@click.option(
    "--profile",
    default=Settings.profile,
    show_default=True,
    metavar="NAME",
    help="Kind of hardware. " + " ".join(f"{p.name}: {p.summary}." for p in PROFILES),
)
@click.option(
    "--device",
    type=click.Choice(typing.get_args(Device)),
    default=Settings.device,
    show_default=True,
    help="cpu keeps the cuda profile's models off the GPU, to try them without one.",
)
@click.option("--host", default=Settings.host, show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--http-port", type=click.IntRange(1, 65535), default=Settings.http_port, show_default=True)
@click.option("--grpc-port", type=click.IntRange(1, 65535), default=Settings.grpc_port, show_default=True)
@click.option("--metrics-port", type=click.IntRange(1, 65535), default=Settings.metrics_port, show_default=True)
@click.option(
    "--models",
    default=",".join(specs.PUBLIC_MODELS),
    show_default=True,
    callback=_comma_separated,
    help="Which to serve, with commas between them.",
)
@click.option(
    "--model-repository",
    "repository",
    type=NamedPath(),
    default=DEFAULT_REPOSITORY,
    show_default="that of this checkout",
    help="Folder of the models.",
)
@click.option(
    "--overlay",
    type=NamedPath(),
    metavar="FILE_OR_FOLDER",
    help="Settings for this machine laid over the profile: safelight.toml, or its folder. `safelight tune` finds good "
    f"ones. For each model: {', '.join(KEYS)}; under [server]: cores, response_cache_mb.",
)
@click.option(
    "--backend-directory",
    type=NamedPath(),
    show_default="those beside tritonserver",
    help="Folder of Triton's backends, for the native profiles.",
)
@click.option(
    "--log-level",
    type=click.Choice(typing.get_args(LogLevel)),
    default=Settings.log_level,
    show_default=True,
    help="How much Triton says.",
)
@click.option(
    "--ready-timeout",
    type=click.FloatRange(0, LONGEST_SECONDS, min_open=True),
    default=Settings.ready_timeout,
    show_default=True,
    help="Give up a server that is not ready after so many seconds.",
)
@click.option(
    "--exit-timeout",
    type=click.IntRange(0, LONGEST_SECONDS),
    default=Settings.exit_timeout,
    show_default=True,
    help="Seconds to finish running requests in.",
)
@click.option("--ready-file", type=NamedPath(), help="Written when the server is ready and proved.")
@click.option(
    "--stop-with",
    type=click.IntRange(0, LARGEST_PROCESS),
    default=Settings.stop_with,
    metavar="PID",
    help="Stop when this process ends.",
)
@click.option(
    "--admin-key",
    default="",
    envvar=KEY_VARIABLE,
    show_envvar=True,
    metavar="KEY",
    help=f"What loading models, tracing and Triton's log settings ask for (header {HEADER}; over gRPC "
    f"triton-grpc-protocol-{HEADER}); one is made up if none is given. With a --host beyond this machine shared "
    "memory asks for it, too.",
)
def serve(**options: typing.Any) -> None:
    """Serve the models on a Triton Inference Server, in the foreground."""
    from serving.launch import launch

    try:
        launch(Settings(**options))
    except ServingError as error:
        raise _CannotServe(str(error)) from error


def arguments(settings: Settings) -> list[str]:
    """The options of `serve` that give these settings but for the key, which goes into the environment."""
    options: dict[str, object] = {
        "profile": settings.profile,
        "device": settings.device,
        "host": settings.host,
        "http-port": settings.http_port,
        "grpc-port": settings.grpc_port,
        "metrics-port": settings.metrics_port,
        "models": ",".join(settings.models),
        "model-repository": settings.repository,
        "log-level": settings.log_level,
        "ready-timeout": settings.ready_timeout,
        "exit-timeout": settings.exit_timeout,
        "stop-with": settings.stop_with,
    }
    optional = {
        "ready-file": settings.ready_file,
        "overlay": settings.overlay,
        "backend-directory": settings.backend_directory,
    }
    options |= {name: value for name, value in optional.items() if value is not None}
    return [f"--{name}={value}" for name, value in options.items()]

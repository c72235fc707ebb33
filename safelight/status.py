"""``safelight status``."""

import json
import sys

import click

from film.specs import PUBLIC_MODELS
from safelight.asking import ServerTrouble, models_option, say, server_errors, server_options

_EPILOG = """\b
Examples:
  safelight status
  safelight status --url http://scanner-room:8000 --json
  safelight status --models film_origin,negative_condition

\b
Exit codes: 0 ready, 2 the command was not understood, 3 not ready or not there.
"""


@click.command(epilog=_EPILOG)
@server_options
@models_option(PUBLIC_MODELS, "Which must be ready: those that the server was started with.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(url: str, timeout: float, models: tuple[str, ...], as_json: bool) -> None:
    """Say whether the server and its models can answer."""
    with server_errors():
        from client import Client

        with Client(url, timeout=timeout) as client:
            found = client.status(models)
    if as_json:
        say(json.dumps(found.to_dict()))
    else:
        say(f"{found.server} {found.version} at {found.address}: {_word(found.ready)}")
        for model, ready in found.models.items():
            say(f"  {model:<20} {_word(ready)}")
    if not found.ready:
        sys.exit(ServerTrouble.exit_code)


def _word(ready: bool) -> str:
    return "ready" if ready else "not ready"

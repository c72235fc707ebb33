"""The ``safelight`` command: a list of commands, each loaded from its room when it is asked for."""

import signal
import sys
from importlib import import_module, metadata
from typing import Any

import click

from film.commands import not_installed
from safelight.asking import note, prepare_output, say

_EPILOG = """\b
Examples:
  safelight serve
  safelight classify holiday.jpg roll-12/
  safelight invert roll-12/ -o positives
  safelight explain holiday.jpg -o explained
  safelight status
  safelight tune

\b
Exit codes:
  0  everything asked for was done
  1  some pictures had errors; the others were done
  2  the command was not understood, or a server could not be started
  3  no server answers, or it does not answer as it should (demo: or its own
     server could not be started)
  74 standard output or the folder of --out cannot be written: the disk is
     full, perhaps
  130 stopped with Ctrl-C (143: SIGTERM, 129: SIGHUP); what was printed or
      written until then is complete

Every command explains itself: safelight classify --help
"""


class _Lazy(click.Group):
    """Knows where its commands are, and imports one only when it runs or is described."""

    commands_at: dict[str, str] = {  # noqa: RUF012 - never changed
        "demo": "safelight.demo:demo",
        "serve": "serving.cli:serve",
        "classify": "safelight.classify:classify",
        "invert": "safelight.invert:invert",
        "explain": "safelight.explain:explain",
        "status": "safelight.status:status",
        "tune": "loadtest.tune.command:tune",
    }

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line; first of all, prepare for what it will say."""
        prepare_output()
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Ctrl-C ends it with a code of its own: click's 1 would mean that pictures had errors."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            note("Stopped.")
            sys.exit(128 + signal.SIGINT)
        except ModuleNotFoundError as error:
            # `pip install .` brings no server, and the server's packages no load tests
            if said := not_installed(error):
                raise said from error
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a newcomer needs them."""
        return list(self.commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in self.commands_at:
            return None
        module, _, attribute = self.commands_at[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        _said(command.get_help_option(ctx))
        return command

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """As click's, but where help cannot be written the command ends as for any other output."""
        return _said(super().get_help_option(ctx))


def _said(option: click.Option | None) -> click.Option | None:
    """A command's option for help, with its help printed by `say`."""
    if option:
        option.callback = _help
    return option


def _help(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        say(ctx.get_help())
        ctx.exit()


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        say(f"safelight, version {metadata.version('safelight')}")
        ctx.exit()


@click.group(cls=_Lazy, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)
def main() -> None:
    """Film photography, judged by a Triton server: film or digital, readable or damaged, and the positive."""

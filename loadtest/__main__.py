"""``python -m loadtest``: put load on a server, and say what it does."""

from importlib import import_module
from typing import Any

import click

from film.errors import SafelightError

COMMANDS = {
    "run": ("loadtest.run_command", "Users or arrivals, from few to many, against a real server; a report of it."),
}
"""Command: its module, which holds a click command called ``command``, and a line of help."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, or None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print names and lines without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what is wrong with what the user gave is a sentence and exit code 1, in every command."""
        try:
            return super().invoke(ctx)
        except SafelightError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=LazyGroup, help=__doc__)
def main() -> None:
    """Nothing of its own; see the commands."""


if __name__ == "__main__":
    main(prog_name="python -m loadtest")

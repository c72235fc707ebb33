"""``python -m training``: make data, train and judge the two networks."""

from importlib import import_module
from typing import Any

import click

from film.errors import SafelightError

COMMANDS = {
    "film_origin": ("training.train_film_origin", "Train film_origin: film or digital?"),
    "negative_condition": ("training.train_negative_condition", "Train negative_condition: readable or damaged?"),
    "evaluate": ("training.evaluate", "Judge both networks on real pictures they never saw."),
    "darkroom": ("training.data.darkroom_sheet", "Make contact sheets of simulated film, to look at."),
    "samples": ("training.data.samples", "Make the sample pictures that ship with the project."),
}
"""Command: its module, which holds a click command called ``command``, and a line of help."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when it is run, so that ``--help`` loads no framework."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, or None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what is wrong with a user's data is a sentence and exit code 1, in every command."""
        try:
            return super().invoke(ctx)
        except SafelightError as error:
            raise click.ClickException(str(error)) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print names and lines without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, help=__doc__)
def main() -> None:
    """Nothing of its own; see the commands."""


if __name__ == "__main__":
    main(prog_name="python -m training")

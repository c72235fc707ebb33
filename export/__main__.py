"""``python -m export``: trained weights to files that Triton serves."""

from importlib import import_module
from typing import Any

import click

from film.errors import SafelightError

COMMANDS = {
    "models": ("export.export_command", "Export models to formats (what is done where no command is named)."),
    "import": ("export.import_command", "Take a Keras checkpoint of the founding network in."),
    "keras": ("export.keras_command", "film_origin as a .keras file that Keras alone can open."),
    "bench": ("export.bench", "Compare runtimes on this processor: pictures a second of the network alone."),
}
"""Command: its module, which holds a click command called ``command``, and a line of help."""
USUAL = "models"
EPILOG = """\b
Examples:
  python -m export                                       every model and format that can be made here
  python -m export negative_condition --to onnx --to pt2
  python -m export import checkpoint.h5 --out runs/mine
  python -m export film_origin --weights runs/mine --repository /tmp/repository
  python -m export bench
Options of the first three forms: python -m export models --help"""


class Commands(click.Group):
    """Imports a command only when it is run, so that ``--help`` loads no framework; ``models`` need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the usual command first where none is named."""
        if not args or (args[0] not in COMMANDS and args[0] != "--help"):
            args = [USUAL, *args]
        return super().parse_args(ctx, args)

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


@click.group(cls=Commands, epilog=EPILOG)
def main() -> None:
    """Turn trained weights into files that a server loads; publish those that answer as the trained network does."""


if __name__ == "__main__":
    main(prog_name="python -m export")

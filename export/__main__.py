"""``python -m export``: trained weights to files that Triton serves."""

import signal
from types import FrameType
from typing import NoReturn

import click

from film.commands import LazyCommands

COMMANDS = {
    "models": ("export.export_command", "Export models to formats (what is done where no command is named)."),
    "import": ("export.import_command", "Take a Keras checkpoint of the founding network in."),
    "keras": ("export.keras_command", "film_origin as a .keras file that Keras alone can open."),
    "bench": ("export.bench", "Compare runtimes on this processor: pictures a second of the network alone."),
}
USUAL = "models"
EPILOG = """\b
Examples:
  python -m export                                       every model and format that can be made here
  python -m export negative_condition --to onnx --to pt2
  python -m export import checkpoint.h5 --out runs/mine
  python -m export film_origin --weights runs/mine --repository /tmp/repository
  python -m export bench
Options of the forms without a word of their own: python -m export models --help"""


class Commands(LazyCommands):
    """One of them need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the usual command first where none is named."""
        if not args or (args[0] not in self.commands_at and args[0] != "--help"):
            args = [USUAL, *args]
        return super().parse_args(ctx, args)


@click.group(cls=Commands, commands_at=COMMANDS, epilog=EPILOG)
def main() -> None:
    """Turn trained weights into files that a server loads; publish those that answer as the trained network does."""


def _end(number: int, _: FrameType | None) -> NoReturn:
    """End as Ctrl-C does, with what was made so far thrown away: half a file is of use to nobody."""
    signal.signal(number, signal.SIG_IGN)  # `timeout` sends it twice
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    main(prog_name="python -m export")

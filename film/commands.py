"""What all command lines have in common: groups whose commands are loaded when they run, names of paths, packages."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from film.errors import SafelightError


class NamedPath(click.Path):
    """A path, as a Path, whatever is there; nothing is not a name: as a Path it would be the current folder."""

    def __init__(self, *, file_okay: bool = True) -> None:
        super().__init__(file_okay=file_okay, readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse ``""``, which an unset variable of a shell becomes."""
        if value == "":
            self.fail("a name is empty; is a variable not set?", param, ctx)
        return super().convert(value, param, ctx)


class NotInstalled(click.ClickException):
    """Ends a command with exit code 2: a package that it needs is not there."""

    exit_code = 2


def not_installed(error: ModuleNotFoundError) -> NotInstalled | None:
    """What to say of a package that is not installed, and how to get it; None where something else is wrong."""
    package = (error.name or "").partition(".")[0]
    if not package or find_spec(package):
        return None
    return NotInstalled(
        f"this needs the package {package}, which is not installed. In the checkout: make .venv/dev.done, "
        f"or pip install -c constraints.txt -e '.[dev]' into an environment of your own."
    )


class LazyCommands(click.Group):
    """Imports a command only when it is run, so that ``--help`` loads no framework.

    ``commands_at``, in the order of the help: each command's module, which holds a click command called ``command``,
    and a line of help.
    """

    def __init__(self, *arguments: Any, commands_at: Mapping[str, tuple[str, str]], **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in order."""
        return list(self.commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, or None where there is none of that name."""
        if cmd_name not in self.commands_at:
            return None
        command: click.Command = import_module(self.commands_at[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print names and lines without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.commands_at.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what is wrong with what the user gave is a sentence and exit code 1, in every command.

        A package that is not installed is one and exit code 2.
        """
        try:
            return super().invoke(ctx)
        except SafelightError as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:
            if said := not_installed(error):
                raise said from error
            raise

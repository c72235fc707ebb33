"""``python -m loadtest``: put load on a server, and say what it does."""

import click

from film.commands import LazyCommands

COMMANDS = {
    "run": ("loadtest.run_command", "Users or arrivals, from few to many, against a real server; a report of it."),
}


@click.group(cls=LazyCommands, commands_at=COMMANDS)
def main() -> None:
    """Put load on a server, and say what it does."""


if __name__ == "__main__":
    main(prog_name="python -m loadtest")

"""``python -m training``: make data, train and judge the two networks."""

import click

from film.commands import LazyCommands

COMMANDS = {
    "film_origin": ("training.train_film_origin", "Train film_origin: film or digital?"),
    "negative_condition": ("training.train_negative_condition", "Train negative_condition: readable or damaged?"),
    "evaluate": ("training.evaluate", "Judge both networks on real pictures they never saw."),
    "darkroom": ("training.data.darkroom_sheet", "Make contact sheets of simulated film, to look at."),
    "samples": ("training.data.samples", "Make the sample pictures that ship with the project."),
}


@click.group(cls=LazyCommands, commands_at=COMMANDS)
def main() -> None:
    """Make data, train and judge the two networks."""


if __name__ == "__main__":
    main(prog_name="python -m training")

"""Judge both networks on real pictures: ``python -m training evaluate``.

The pictures are only looked at, and none of them may have been trained on.
"""

import json
import os
from pathlib import Path

import click

from film.errors import SafelightError
from film.specs import CLASSIFIERS, FILM_ORIGIN, NEGATIVE_CONDITION, ModelSpec
from training.data.labels import UNLABELLED
from training.data.option import data_option
from training.data.pictures import index, read
from training.evaluation.cards import card
from training.evaluation.confounds import CONFOUNDS
from training.evaluation.document import html, markdown
from training.evaluation.evaluation import Evaluation, read_record
from training.evaluation.judging import LOADERS, judge
from training.evaluation.report import TITLE, report
from training.record import WEIGHTS

SHARED = Path(__file__).parents[2] / "shared" / "data"
DEFAULTS = {FILM_ORIGIN.name: SHARED / "validation", NEGATIVE_CONDITION.name: SHARED / "negatives"}
EPILOG = """\b
Examples:
  python -m training evaluate
  python -m training evaluate --data photographs --data more.csv --negatives negatives
  python -m training evaluate --models film_origin --weights runs/mine --out out/mine --quick"""
COMMANDS = """python -m training {name} --data folder    # trains; folder/digital; see docs/training.md
python -m training evaluate --cards docs/models    # measures; writes this card
python -m export    # publishes it to the server, if the parity gate lets it"""


def evaluate(
    spec: ModelSpec, data: tuple[Path, ...], weights: Path, *, held_out: int | None = None, quick: bool = False
) -> Evaluation | None:
    """All that is to be known about ``spec``'s network in the folder ``weights``; None, with a word why, if nothing.

    ``held_out`` is a seed: only the test side of its split is judged. ``quick`` leaves out the confounds, which ask
    about every picture again.
    """
    file = weights / f"{spec.name}.safetensors"
    if not file.is_file():
        click.echo(f"{spec.name} is left out: {file} does not exist. Train it first: make train.", err=True)
        return None
    table = read(data, (*spec.labels, *((UNLABELLED,) if spec is NEGATIVE_CONDITION else ())))
    if not table.label.isin(spec.labels).any():
        places = " or ".join(f"{place}/{{{','.join(spec.labels)}}}" for place in data)
        click.echo(f"{spec.name} is left out: there are no pictures in {places}.", err=True)
        return None
    if held_out is not None:
        table = index(data, spec.labels, held_out).query("split == 'test'")
        if table.empty:
            why = f"the fifth that a training with --seed {held_out} keeps back is empty, as it has too few sources"
            click.echo(f"{spec.name} is left out: {why}.", err=True)
            return None
    try:
        network = LOADERS[spec.name](file)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    judged = judge(spec, table, network)
    if judged.labelled.empty:
        click.echo(f"{spec.name} is left out: none of its {len(table)} pictures can be read.", err=True)
        return None
    confounds = {} if quick or spec is not FILM_ORIGIN else CONFOUNDS
    labelled = table[table.label.isin(spec.labels)]
    alike = {name: judge(spec, labelled, network, prepare, f" {name}") for name, prepare in confounds.items()}
    return Evaluation(judged, read_record(file), alike)


@click.command(epilog=EPILOG)
@data_option("film/ and digital/", "../shared/data/validation")
@data_option("readable/ and damaged/ (and other/)", "../shared/data/negatives", "--negatives")
@click.option(
    "--models",
    type=click.Choice([spec.name for spec in CLASSIFIERS]),
    multiple=True,
    help="Which to judge; may be given more than once. [default: both]",
)
@click.option(
    "--weights",
    type=click.Path(file_okay=False, path_type=Path),
    default=WEIGHTS,
    show_default="training/weights",
    help="Folder of MODEL.safetensors, and MODEL.json beside it.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out/evaluation"),
    show_default=True,
    help="Folder for report.html, evaluation.md, evaluation.json and cards/.",
)
@click.option(
    "--cards",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the model cards, instead of OUT/cards.",
)
@click.option(
    "--held-out", is_flag=True, help="Judge only the fifth of the data that a training with --seed keeps back."
)
@click.option("--seed", default=0, show_default=True, help="That of the training, for --held-out.")
@click.option(
    "--quick", is_flag=True, help="Leave out the checks that ask film_origin about every picture three more times."
)
def command(
    data: tuple[Path, ...],
    negatives: tuple[Path, ...],
    models: tuple[str, ...],
    weights: Path,
    out: Path,
    cards: Path | None,
    held_out: bool,
    seed: int,
    quick: bool,
) -> None:
    """Judge both networks on real pictures that they never saw.

    Writes a report with tables, plots and a contact sheet of what went wrong, and a model card for each network. The
    report shows the pictures, so publish it only if you may publish them; the cards have numbers only.
    """
    cards = cards or out / "cards"
    for folder in (out, cards):
        _expect_room(folder)
    given = {FILM_ORIGIN.name: data, NEGATIVE_CONDITION.name: negatives}
    found = []
    for spec in CLASSIFIERS:
        if not models or spec.name in models:
            try:
                places = given[spec.name] or (DEFAULTS[spec.name],)
                one = evaluate(spec, places, weights, held_out=seed if held_out else None, quick=quick)
            except SafelightError as error:
                raise click.ClickException(str(error)) from error
            found += [one] if one else []
    if not found:
        raise click.ClickException("There was nothing to judge, as said above. --data and --negatives name folders.")
    click.echo(write(found, weights, out, cards))
    click.echo(f"With plots and pictures: {out / 'report.html'}. Model cards: {cards}")


def _expect_room(folder: Path) -> None:
    """Say now that nothing can be written to ``folder``, which need not exist, and not when all has been judged."""
    places = (folder.absolute(), *folder.absolute().parents)
    there = next(place for place in places if os.path.exists(place))  # noqa: PTH110 - Path's own may raise
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise click.ClickException(f"{folder} cannot be written to: {there} is no folder that you may write to.")


def write(found: list[Evaluation], weights: Path, out: Path, cards: Path) -> str:
    """Write the report to ``out`` and a card for each network to ``cards``; returns the report's Markdown."""
    out.mkdir(parents=True, exist_ok=True)
    cards.mkdir(parents=True, exist_ok=True)
    sections = report(found)
    text = markdown(TITLE, sections)
    (out / "evaluation.md").write_text(text, encoding="utf-8")
    (out / "report.html").write_text(html(TITLE, sections), encoding="utf-8")
    record = {one.spec.name: one.to_dict() for one in found}
    (out / "evaluation.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for one in found:
        name = one.spec.name
        parts = card(one, weights / f"{name}.safetensors", COMMANDS.format(name=name))
        (cards / f"{name}.md").write_text(markdown(name, parts), encoding="utf-8")
    return text

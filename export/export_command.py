"""``python -m export [MODEL]... [--to FORMAT]...``: make files, try them, publish them, and say what became of each."""

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from export.format import FORMATS
from film.errors import SafelightError
from film.specs import NETWORKS

if TYPE_CHECKING:
    from export.export_model import Outcome
    from export.source import Source

NAMES = [spec.name for spec in NETWORKS]
ROUTES = ("torch", "keras-torch", "keras-tensorflow", "tf2onnx")
FOLDER = click.Path(file_okay=False, path_type=Path)
EPILOG = "\b\nFormats:\n" + "\n".join(f"  {name:<14} {line}" for name, line in FORMATS.items())


def _device(_: click.Context, __: click.Parameter, name: str) -> str:
    if name.partition(":")[0] not in ("cpu", "cuda"):
        raise click.BadParameter(f"{name!r} is neither cpu nor cuda")
    return name


@click.command(epilog=EPILOG)
@click.argument("models", nargs=-1, type=click.Choice(NAMES), metavar="[MODEL]...")
@click.option(
    "--to",
    "formats",
    multiple=True,
    type=click.Choice(list(FORMATS)),
    metavar="FORMAT",
    help="Format to make; may be given more than once. [default: every one that can be made on this machine]",
)
@click.option(
    "--weights",
    type=FOLDER,
    default=Path("training/weights"),
    show_default=True,
    help="Of MODEL.safetensors; film_origin_explain is made of film_origin's.",
)
@click.option(
    "--repository",
    type=FOLDER,
    default=Path("model_repository"),
    show_default=True,
    help="Triton's model repository, which the files go into.",
)
@click.option(
    "--aside",
    type=FOLDER,
    default=Path("out/untried"),
    show_default=True,
    help="Where files go that this machine can make but not run, such as engines without a GPU.",
)
@click.option(
    "--samples",
    type=FOLDER,
    default=Path("samples"),
    show_default=True,
    help="Pictures to compare on; drawn ones are added, and do alone if it is empty.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Photographs that negatives are simulated from, to calibrate int8 and to judge reduced precision by. "
    "[default: those that the training takes]",
)
@click.option("--calibration", default=1200, show_default=True, help="Simulated negatives to calibrate int8 on.")
@click.option("--judging", default=500, show_default=True, help="Simulated negatives to judge reduced precision by.")
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    callback=_device,
    help="Of files that run in PyTorch: cpu or cuda.",
)
@click.option(
    "--route",
    type=click.Choice(ROUTES),
    default=ROUTES[0],
    show_default=True,
    help="How film_origin, a Keras network, becomes ONNX: by torch.onnx, by Keras's own export on one of its backends, "
    "or by tf2onnx.",
)
def command(
    models: tuple[str, ...],
    formats: tuple[str, ...],
    weights: Path,
    repository: Path,
    aside: Path,
    samples: Path,
    data: tuple[Path, ...],
    calibration: int,
    judging: int,
    device: str,
    route: str,
) -> None:
    """Export MODELs (all, if none is named) and publish the files that answer as the trained network does.

    One that fails does not keep the others from being tried. Exit code 1 if one could not be exported or was refused,
    or if a format that was asked for was made of none of the models.
    """
    import torch  # seconds that --help need not pay

    from export.graphs import EXPORTABLES
    from export.labelled import Pictures
    from export.source import Source

    pictures = Pictures(data, calibration=calibration, judging=judging)
    console, failed, made = Console(stderr=True), False, set()
    table = Table("model", "format", Column("file", overflow="fold"), "MB", "largest difference", "verdict")
    for name in models or NAMES:
        source = Source(
            EXPORTABLES[name],
            weights / f"{EXPORTABLES[name].spec.family}.safetensors",
            samples,
            pictures,
            torch.device(device),
            route,
        )
        for form in formats or FORMATS:
            row, good = _one(source, form, repository, aside, console)
            table.add_row(name, form, *row)
            failed |= not good
            if row[0] != "-":
                made.add(form)
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    sys.exit(1 if failed or set(formats) - made else 0)


def _one(source: "Source", name: str, repository: Path, aside: Path, console: Console) -> tuple[list[str], bool]:
    """The rest of a row of the table, and whether nothing went wrong."""
    from export.export_model import export_model
    from export.format import load_format

    model = source.spec.name
    title = f"{model}, {name}"
    try:
        with console.status(title) as status:
            outcome = export_model(
                source, load_format(name), repository, aside, lambda what: status.update(f"{title}: {what}")
            )
    except Exception as error:
        # A full disk, a compiler, a GPU without memory: what they raise is not ours, and ends this format alone.
        ours = isinstance(error, SafelightError)
        if not ours and not isinstance(error, OSError):
            traceback.print_exc()
        _refuse(console, model, name, str(error) if ours else " ".join(f"{type(error).__name__}: {error}".split()))
        return ["-", "-", "-", "refused" if ours else "failed"], False
    said = "; ".join((outcome.verdict, *outcome.notes))
    console.print(f"{title}: {escape(said)}", highlight=False, soft_wrap=True)
    return _row(outcome), True


def _refuse(console: Console, model: str, name: str, why: str) -> None:
    console.print(f"[red]{model} was not exported to {name}:[/red] {escape(why)}", highlight=False, soft_wrap=True)


def _row(outcome: "Outcome") -> list[str]:
    if outcome.path is None:
        return ["-", "-", "-", f"{outcome.verdict}: {'; '.join(outcome.notes)}"]
    differences = ", ".join(f"{runtime} {value:.1e}" for runtime, value in outcome.differences.items())
    verdict = "; ".join((outcome.verdict, *outcome.notes))
    return [str(outcome.path), f"{outcome.size / 1e6:.1f}", differences or "-", verdict]

"""``python -m export``: trained weights to files that Triton serves."""

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table

from film.errors import SafelightError
from film.specs import NETWORKS

NAMES = [spec.name for spec in NETWORKS]
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(
    epilog="""\b
Examples:
  python -m export                      all models
  python -m export negative_condition   one of them
  python -m export --weights runs/mine --repository /tmp/repository"""
)
@click.argument("models", nargs=-1, type=click.Choice(NAMES), metavar="[MODEL]...")
@click.option(
    "--weights",
    type=FOLDER,
    default=Path("training/weights"),
    show_default=True,
    help="Folder that holds MODEL.safetensors; film_origin_explain is made of film_origin's.",
)
@click.option(
    "--repository",
    type=FOLDER,
    default=Path("model_repository"),
    show_default=True,
    help="Triton's model repository, which the files go into.",
)
@click.option(
    "--samples",
    type=FOLDER,
    default=Path("samples"),
    show_default=True,
    help="Pictures to compare on; drawn ones are added, and do alone if it is empty.",
)
def main(models: tuple[str, ...], weights: Path, repository: Path, samples: Path) -> None:
    """Export MODELs (all, if none is named) to ONNX and publish those that answer as the trained network does.

    Exit code 1 if one could not be exported or was refused.
    """
    console, complaints = Console(), Console(stderr=True)
    table = Table("model", Column("file", overflow="fold"), "MB", "largest difference", title="Published")
    failed = False
    for name in models or NAMES:
        try:
            with console.status(f"Exporting {name} and comparing it with the trained network"):
                table.add_row(name, *_export(name, weights, repository, samples))
        except SafelightError as error:
            failed = True
            complaints.print(f"[red]{name} was not exported:[/red] {error}", highlight=False, soft_wrap=True)
    if table.row_count:
        console.print(table)
    sys.exit(1 if failed else 0)


def _export(name: str, weights: Path, repository: Path, samples: Path) -> tuple[str, str, str]:
    from export.graphs import EXPORTABLES  # torch: seconds that --help need not pay
    from export.onnx_export import export_model

    model = EXPORTABLES[name]
    published = export_model(model, weights / f"{model.spec.family}.safetensors", repository, samples)
    differences = ", ".join(f"{runtime} {value:.1e}" for runtime, value in published.differences.items())
    return str(published.path), f"{published.path.stat().st_size / 1e6:.1f}", differences


if __name__ == "__main__":
    main(prog_name="python -m export")

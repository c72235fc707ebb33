"""``python -m export import CHECKPOINT``: take a Keras checkpoint of the founding network in."""

from pathlib import Path

import click

from export.errors import CheckpointError
from film.specs import FILM_ORIGIN

EPILOG = """\b
Examples:
  python -m export import model.h5
  python -m export import best.keras --out runs/theirs
  python -m export film_origin --weights runs/theirs --repository /tmp/repository"""


@click.command(epilog=EPILOG)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/imported"),
    show_default=True,
    help="Folder for the weights.",
)
def command(checkpoint: Path, out: Path) -> None:
    """Read CHECKPOINT (.h5, .keras or .weights.h5) of the founding film-or-digital network and write its weights.

    Only weights are read: nothing of the file is run. The network must be the founding one, layer for layer, whatever
    its layers are called. Exit code 1, with a sentence saying what does not fit, where it is not.
    """
    weights = import_checkpoint(checkpoint, out / f"{FILM_ORIGIN.name}.safetensors")
    click.echo(f"Weights are in {weights}. Next: python -m export {FILM_ORIGIN.name} --weights {out}")


def import_checkpoint(checkpoint: Path, weights: Path, size: int = FILM_ORIGIN.size) -> Path:
    """Write the weights in ``checkpoint`` to ``weights``, for a picture side of ``size``; raises CheckpointError."""
    if not checkpoint.is_file():
        raise CheckpointError(f"{checkpoint} does not exist.")
    if checkpoint.suffix not in (".h5", ".hdf5", ".keras"):
        raise CheckpointError(f"{checkpoint} is no Keras checkpoint: those end in .h5, .hdf5 or .keras.")
    from training import film_origin, founding

    network = founding.build(size)
    try:
        network.load_weights(checkpoint)
    except Exception as error:  # Keras, h5py and zipfile raise whatever the file makes them stumble over
        raise CheckpointError(
            f"{checkpoint} does not hold the weights of the founding network, whose {_layers(network)}. "
            f"Keras says: {' '.join(str(error).split())}"
        ) from error
    film_origin.save(network, weights, "founding")
    return weights


def _layers(network: object) -> str:
    shapes = [
        "x".join(map(str, layer.kernel.shape))
        for layer in network.layers  # type: ignore[attr-defined]
        if hasattr(layer, "kernel")
    ]
    return f"kernels are {', '.join(shapes)}"

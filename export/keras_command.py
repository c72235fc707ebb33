"""``python -m export keras``: film_origin as a .keras file that Keras alone can open, for who serves with Keras."""

import os
from pathlib import Path
from typing import Any

import click

from film.specs import FILM_ORIGIN

EPILOG = """\b
Examples:
  python -m export keras
  python -m export keras --weights runs/mine --out film.keras"""


@click.command(epilog=EPILOG)
@click.option(
    "--weights",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("training/weights"),
    show_default=True,
    help=f"Of {FILM_ORIGIN.name}.safetensors.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(f"out/{FILM_ORIGIN.name}.keras"),
    show_default=True,
)
def command(weights: Path, out: Path) -> None:
    """Write film_origin as a .keras file of Keras's own operations: opening it needs nothing of Safelight.

    float32 (n, 700, 700, 3) RGB in 0..1 to the probability of film (n, 1). Triton does not serve it. Exit code 1, with
    a sentence, where the file written does not answer as the network does.
    """
    click.echo(f"Written to {write_keras(weights / f'{FILM_ORIGIN.name}.safetensors', out)}")


def write_keras(weights: Path, out: Path, size: int = FILM_ORIGIN.size) -> Path:
    """Write the network of ``weights`` to ``out`` (.keras), for pictures of a side of ``size``; returns ``out``.

    Raises ExportError where the weights cannot be used, or where the file does not answer as the network.
    """
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras
    import numpy as np

    from export.errors import ExportError
    from film.specs import ONNX_TOLERANCE
    from training import film_origin, grain

    try:
        network = film_origin.load(weights, size)
    except (ValueError, OSError) as error:
        raise ExportError(f"{weights} cannot be used: {error}") from error
    grain.in_one_piece(network)  # Keras, operation by operation, takes half as long again in strips
    pixels = keras.Input((size, size, 3), name="pixels")
    answer: Any = pixels
    for layer in network.layers:
        answer = _unrolled(layer)(answer)
    out.parent.mkdir(parents=True, exist_ok=True)
    keras.Model(pixels, answer, name=FILM_ORIGIN.name).save(out)
    noise = np.random.default_rng(0).random((2, size, size, 3), np.float32)
    truth = network.predict(noise, verbose=0)
    difference = float(np.abs(keras.saving.load_model(out).predict(noise, verbose=0) - truth).max())
    if not difference <= ONNX_TOLERANCE:
        raise ExportError(f"{out} is {difference:.3g} off the trained network's probability.")
    return out


def _unrolled(layer: Any) -> Any:
    """A layer of ours as the operations that it is made of, with its weights as constants; Keras's own as they are."""
    from types import SimpleNamespace

    import keras

    if type(layer).__module__.startswith("keras."):
        return layer
    values = {weight.name: keras.ops.convert_to_numpy(weight.value) for weight in layer.weights}
    # An array on the left of a symbolic tensor would take the operation over, and fail; a number does not.
    constants = {name: float(value[0]) if value.size == 1 else value for name, value in values.items()}
    settings = {name: getattr(layer, name) for name in layer.get_config() if hasattr(layer, name)}
    return lambda given: type(layer).call(SimpleNamespace(**(settings | constants)), given)

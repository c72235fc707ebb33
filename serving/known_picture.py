"""The photograph that warms the models up and that the start-up check sends.

It is kept once, where Triton's warm-up wants it: one BYTES element, its length in four little-endian bytes and then the
encoded picture. Make another one with ``python -m serving.known_picture PICTURE``.
"""

import io
import struct
from pathlib import Path

import click
from PIL import Image

from film import images, specs
from serving.errors import ServingError
from serving.settings import DEFAULT_REPOSITORY

PLACE = Path(specs.FILM_ORIGIN.preprocess_model, "warmup", "photograph")
"""Inside a model repository; the other models' warm-up folders link to it."""
_LENGTH = struct.Struct("<I")


def read(repository: Path) -> bytes:
    """The encoded picture; ServingError where the repository has none or it is cut short."""
    file = repository / PLACE
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ServingError(f"The warm-up picture {file} cannot be read: {error.strerror}.") from error
    picture = data[_LENGTH.size :]
    if data[: _LENGTH.size] != _LENGTH.pack(len(picture)):
        raise ServingError(f"The warm-up picture {file} is cut short: make it again with {__name__}.")
    return picture


def pack(photograph: bytes, side: int) -> bytes:
    """An encoded picture, made ``side`` pixels long at most and re-encoded as JPEG, as one BYTES element."""
    image = Image.fromarray(images.decode(photograph))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=85, optimize=True)
    return _LENGTH.pack(jpeg.getbuffer().nbytes) + jpeg.getvalue()


@click.command(epilog="Example: python -m serving.known_picture daisy.jpg")
@click.argument("photograph", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--side", default=800, show_default=True, help="Longest side, in pixels.")
def main(photograph: Path, side: int) -> None:
    """Make PHOTOGRAPH the picture that warms the models up and proves them at each start."""
    file = DEFAULT_REPOSITORY / PLACE
    file.write_bytes(pack(photograph.read_bytes(), side))
    click.echo(f"{file}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

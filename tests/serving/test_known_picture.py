"""The picture that warms up and proves."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from film import images
from serving import known_picture
from serving.errors import ServingError
from serving.settings import DEFAULT_REPOSITORY


def png(width: int, height: int) -> bytes:
    ramp = np.linspace(0, 255, width * height * 3).astype(np.uint8).reshape(height, width, 3)
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, "PNG")
    return file.getvalue()


def test_the_shipped_picture_is_a_photograph() -> None:
    picture = images.decode(known_picture.read(DEFAULT_REPOSITORY))
    assert picture.std() > 30, "a photograph, not a flat patch"


def test_a_picture_is_packed_as_one_bytes_element_and_read_back(tmp_path: Path) -> None:
    packed = known_picture.pack(png(300, 200), side=120)
    assert struct.unpack("<I", packed[:4]) == (len(packed) - 4,)
    place = tmp_path / known_picture.PLACE
    place.parent.mkdir(parents=True)
    place.write_bytes(packed)
    picture = known_picture.read(tmp_path)
    assert picture == packed[4:]
    assert images.decode(picture).shape == (80, 120, 3)


def test_a_missing_and_a_short_picture_are_named(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="cannot be read"):
        known_picture.read(tmp_path)
    place = tmp_path / known_picture.PLACE
    place.parent.mkdir(parents=True)
    place.write_bytes(known_picture.pack(png(30, 20), side=20)[:-1])
    with pytest.raises(ServingError, match="cut short"):
        known_picture.read(tmp_path)

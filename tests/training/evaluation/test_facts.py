from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from training.evaluation.facts import facts, is_colour


def encoded(pixels: np.ndarray, kind: str = "JPEG", **options: object) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


PICTURE = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


@pytest.mark.parametrize("quality", [10, 49, 50, 75, 85, 90, 95, 100])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality: int, subsampling: int) -> None:
    assert facts(encoded(PICTURE, quality=quality, subsampling=subsampling)) == (40, 0.0012, quality)


def test_a_png_has_no_quality() -> None:
    assert facts(encoded(PICTURE, "PNG")).quality == 0


def test_a_toned_print_is_black_and_white_and_a_faint_colour_is_not() -> None:
    grey = np.repeat(PICTURE[..., :1], 3, axis=2)
    assert not is_colour(grey)
    assert not is_colour(np.clip(grey.astype(int) // 2 + (20, 10, 0), 0, 255).astype(np.uint8))
    tinted = grey.copy() // 2
    tinted[:15, :, 0] += 12
    assert is_colour(tinted)
    assert is_colour(PICTURE)

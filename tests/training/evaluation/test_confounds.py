from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from film.ops.fast import decode_crop_resize
from training.evaluation.confounds import grey, reencoded, to_one_jpeg
from training.evaluation.facts import facts


def noise(height: int, width: int, quality: int = 100) -> bytes:
    file = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)).save(
        file, "JPEG", quality=quality, subsampling=0
    )
    return file.getvalue()


def test_grey_is_the_luma_of_what_is_served() -> None:
    data = noise(300, 400)
    served, made = decode_crop_resize(data, 64).astype(float), grey(data, 64)
    assert made.shape == (64, 64, 3)
    assert made.dtype == np.uint8
    assert (made == made[..., :1]).all()
    assert np.abs(made[..., 0] - served @ (0.299, 0.587, 0.114)).max() <= 0.51


@pytest.mark.parametrize(("height", "width", "quality"), [(1500, 2000, 100), (400, 300, 100), (1200, 800, 60)])
def test_pictures_of_any_size_and_quality_become_alike(height: int, width: int, quality: int) -> None:
    data = noise(height, width, quality)
    made = facts(to_one_jpeg(data, 1000))
    assert (made.long_side, made.quality) == (1000, 85)
    assert made.megapixels == pytest.approx(min(height, width) / max(height, width), rel=0.01)
    assert np.array_equal(reencoded(data, 300, long_side=1000), decode_crop_resize(to_one_jpeg(data, 1000), 300))

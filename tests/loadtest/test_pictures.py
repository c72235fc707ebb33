"""Pictures to load a server with: their shares, sizes, entropy, and that they are the same every time."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from film.images import decode
from loadtest import pictures
from loadtest.pictures import KINDS, MIXES, Kind, Mix, PicturesError

SOURCE = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
"""Smaller than most pictures, so that it must be laid several times each way."""


@pytest.fixture(scope="module")
def sources() -> list[np.ndarray]:
    return [decode(blob) for blob in pictures.read(pictures.SAMPLES)]


def tiny(name: str, width: int, height: int) -> Kind:
    return Kind(name, ((width, height),), 85, 1.0, 1.0)


def size(blob: bytes) -> tuple[int, int]:
    height, width, *_ = simplejpeg.decode_jpeg_header(blob)
    return width, height


def test_a_folder_that_is_called_like_a_picture_is_none_and_a_broken_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "contact.jpg").mkdir()
    (tmp_path / "a.jpg").write_bytes(simplejpeg.encode_jpeg(SOURCE))
    assert len(pictures.read(tmp_path)) == 1
    (tmp_path / "contact.jpg" / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(PicturesError, match=r"b\.jpg: not a JPEG.*take it out"):
        pictures.read(tmp_path)


@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: mix.name)
def test_shares_of_a_mix_add_up_and_name_kinds(mix: Mix) -> None:
    assert sum(share for _, share in mix.shares) == pytest.approx(1)
    assert {name for name, _ in mix.shares} <= {kind.name for kind in KINDS}


@settings(max_examples=25)
@given(count=st.integers(1, 30), weights=st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any))
def test_shares_are_as_exact_as_whole_pictures_allow(count: int, weights: list[int]) -> None:
    kinds = tuple(tiny(name, width, 16) for name, width in (("a", 16), ("b", 24), ("c", 32)))
    shares = tuple((kind.name, weight / sum(weights)) for kind, weight in zip(kinds, weights, strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "KINDS", kinds)
        patch.setattr(pictures, "read", lambda _: [simplejpeg.encode_jpeg(SOURCE)])
        made = Counter(size(blob)[0] for blob in pictures.make(Mix("any", shares), count))
    assert made.total() == count
    for kind, (_, share) in zip(kinds, shares, strict=True):
        assert abs(made[kind.sizes[0][0]] - share * count) < 1


@settings(max_examples=25)
@given(width=st.integers(8, 300), height=st.integers(8, 1100), enlarged=st.sampled_from([0.6, 1.0, 2.0]))
def test_a_picture_has_the_size_that_was_asked_for(width: int, height: int, enlarged: float) -> None:
    kind = Kind("any", ((width, height),), 85, 2.0, enlarged)
    blob = pictures.photograph(kind, [SOURCE], np.random.default_rng(1))
    assert decode(blob).shape == (height, width, 3)


@pytest.mark.parametrize(("kind", "least", "most"), [("small", 0.15, 0.6), ("phone", 0.1, 0.5), ("scan", 0.15, 0.8)])
def test_a_megapixel_takes_as_many_megabytes_as_a_photograph_does(
    kind: str, least: float, most: float, sources: list[np.ndarray]
) -> None:
    chosen = next(each for each in KINDS if each.name == kind)
    blob = pictures.photograph(chosen, sources, np.random.default_rng(2))
    width, height = size(blob)
    assert (width, height) in chosen.sizes
    assert least < len(blob) / (width * height) < most


def test_an_enlarged_photograph_without_grain_would_take_less(sources: list[np.ndarray]) -> None:
    smooth = Kind("smooth", ((800, 600),), 92, 0.0, 2.0)
    grainy = Kind("grainy", ((800, 600),), 92, 4.0, 2.0)
    a, b = (len(pictures.photograph(kind, sources, np.random.default_rng(3))) for kind in (smooth, grainy))
    assert b > 1.2 * a


def test_the_same_seed_makes_the_same_pictures_and_another_seed_others() -> None:
    first, again, other = (pictures.make(pictures.mix("small"), 3, seed) for seed in (4, 4, 5))
    assert first == again
    assert not set(first) & set(other)
    assert len(set(first)) == 3


def test_a_mix_that_there_is_not_is_named() -> None:
    with pytest.raises(PicturesError, match=r"no mix 'large'.*mixed, small"):
        pictures.mix("large")


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(PicturesError, match=str(tmp_path)):
        pictures.read(tmp_path)


def test_pictures_are_read_in_order_of_their_paths_whatever_their_case(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    kinds = {
        name: simplejpeg.encode_jpeg(SOURCE[:side]) for side, name in ((8, "b/2.JPG"), (9, "a.png"), (10, "c.tif"))
    }
    for name, blob in (kinds | {"c.txt": b"text"}).items():
        (tmp_path / name).write_bytes(blob)
    assert pictures.read(tmp_path) == [kinds[name] for name in ("a.png", "b/2.JPG", "c.tif")]

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from film.ops.reference import invert_negative
from film.specs import DEFECTS
from training.data.darkroom.development import KINDS
from training.data.darkroom.negative import TRAINING_WORLD, Negative, World, photograph_negative


def scene(height: int = 120, width: int = 160) -> np.ndarray:
    """A coloured gradient with blocks: something in every tone."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    picture = np.stack((255 * x / width, 255 * y / height, 128 + 100 * np.sin(x / 9)), axis=2)
    picture[height // 4 : height // 2, width // 4 : width // 2] = (240, 220, 200)
    return picture.astype(np.uint8)


def photograph(seed: int, *defects: str) -> Negative:
    return photograph_negative(scene(), np.random.default_rng(seed), defects)


@settings(max_examples=25, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    defects=st.sets(st.sampled_from(DEFECTS)),
    height=st.integers(48, 130),
    width=st.integers(48, 130),
)
def test_labels_severity_and_mask_say_the_same(seed: int, defects: set[str], height: int, width: int) -> None:
    negative = photograph_negative(scene(height, width), np.random.default_rng(seed), sorted(defects))
    assert negative.image.shape == (height, width, 3)
    assert negative.image.dtype == np.uint8
    assert negative.mask.shape == (len(DEFECTS), height, width)
    assert negative.defects == tuple(name for name in DEFECTS if name in defects)
    assert negative.readable == (not defects)
    for index, name in enumerate(DEFECTS):
        assert (negative.severity[index] > 0) == (name in defects)
        if name not in defects:
            assert not negative.mask[index].any()


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_changes_the_picture_where_its_mask_is(defect: str) -> None:
    inside, outside = [], []
    for seed in range(8):
        clean, damaged = photograph(seed), photograph(seed, defect)
        mask = damaged.mask[DEFECTS.index(defect)]
        assert mask.any()
        change = np.abs(damaged.image.astype(float) - clean.image).mean(axis=2)
        inside.append(change[mask].mean())
        outside.append(change[~mask].mean() if not mask.all() else 0.0)
    assert np.median(inside) > 8
    if defect != "noise":  # which is everywhere in the frame
        # a blank area moves the phone's exposure, and so what is outside it too
        assert np.mean(inside) > (1.1 if defect == "blank_area" else 1.5) * np.mean(outside)


def test_the_same_generator_gives_the_same_photograph() -> None:
    one, same, other = photograph(1, "holes"), photograph(1, "holes"), photograph(2, "holes")
    assert np.array_equal(one.image, same.image)
    assert np.array_equal(one.mask, same.mask)
    assert not np.array_equal(one.image, other.image)


def test_it_is_a_negative_whose_inversion_looks_like_the_scene() -> None:
    original = scene().mean(axis=2).ravel()
    images = [photograph(seed).image for seed in range(16)]  # some are taken from afar and lie elsewhere
    likeness = [
        [np.corrcoef(seen.mean(axis=2).ravel(), original)[0, 1] for seen in (image, invert_negative(image))]
        for image in images
    ]
    as_negative, as_positive = np.median(likeness, axis=0)
    assert as_negative < -0.5
    assert as_positive > 0.5


def test_colour_negatives_are_orange_on_average() -> None:
    red, _, blue = np.mean([photograph(seed).image.mean(axis=(0, 1)) for seed in range(12)], axis=0)
    assert red > blue + 15


def test_noise_buries_the_scene() -> None:
    contrast: dict[tuple[str, ...], list[float]] = {(): [], ("noise",): []}
    for defects, values in contrast.items():
        for seed in range(8):
            image = photograph(seed, *defects).image.astype(float)
            values.append(image[20:100, 20:140].mean(axis=2).std())
    assert np.median(contrast["noise",]) < 0.6 * np.median(contrast[()])


def test_an_unknown_defect_is_named() -> None:
    with pytest.raises(ValueError, match="no defect is called rust"):
        photograph(0, "rust")


def test_rolls_are_developed_as_asked_and_differ() -> None:
    picture = scene()
    images = {
        kind: np.mean(
            [photograph_negative(picture, np.random.default_rng(s), kind=kind).image for s in range(6)], axis=0
        )
        for kind in KINDS
    }
    kinds = list(images)
    for number, kind in enumerate(kinds):
        for other in kinds[number + 1 :]:
            assert np.abs(images[kind] - images[other]).mean() > 1, (kind, other)


def test_dirt_is_counted_and_is_no_defect() -> None:
    made = [photograph(seed) for seed in range(12)]
    assert all(negative.readable and not negative.mask.any() for negative in made)
    assert max(negative.dirt for negative in made) > 0.001
    assert all(0 <= negative.dirt < 0.1 for negative in made)


def test_a_world_of_black_and_white_has_no_other_film() -> None:
    world = World(("Black and white",), range(0, 1))
    picture = np.repeat(np.linspace(0, 255, 90, dtype=np.uint8)[None, :, None].repeat(60, 0), 3, 2)
    colours = [
        np.ptp(photograph_negative(picture, np.random.default_rng(seed), world=each).image.astype(int), axis=2).mean()
        for each in (world, TRAINING_WORLD)
        for seed in range(6)
    ]
    assert np.mean(colours[:6]) < 0.5 * np.mean(colours[6:])

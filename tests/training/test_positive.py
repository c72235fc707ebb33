from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from training.data.darkroom.development import KINDS as DEVELOPMENTS
from training.data.darkroom.development import draw_development
from training.data.darkroom.digital import clean, photograph_digital
from training.data.darkroom.finish import finish
from training.data.darkroom.grain import add_grain, noise
from training.data.darkroom.positive import draw_roll, halate, photograph_positive, scan, scene
from training.data.darkroom.scanner import KINDS, Look, Scanner, digitise, draw_scanner
from training.data.darkroom.stocks import load_stocks
from training.data.darkroom.twins import make_single, make_twins


def scene_picture(height: int = 120, width: int = 160) -> np.ndarray:
    """A picture with a bit of everything: a ramp of greys, two colours and a light source."""
    ramp = np.linspace(0, 255, width, dtype=np.uint8)
    picture = np.repeat(np.repeat(ramp[None, :, None], height, 0), 3, 2)
    picture[: height // 3, : width // 2] = (180, 60, 40)
    picture[: height // 3, width // 2 :] = (40, 90, 170)
    picture[50:60, 40:50] = 255
    return picture


def test_the_same_seed_gives_the_same_photograph_and_another_seed_another() -> None:
    picture = scene_picture()
    first, again, other = (photograph_positive(picture, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_noise_has_unit_spread_and_is_smoother_when_larger() -> None:
    def likeness_of_neighbours(size: float) -> float:
        field = noise(200, 200, size, np.random.default_rng(0))
        assert field.std() == pytest.approx(1.0, abs=0.05)
        return float(np.corrcoef(field[:, 1:].ravel(), field[:, :-1].ravel())[0, 1])

    assert likeness_of_neighbours(0.0) < 0.05 < likeness_of_neighbours(0.5) < likeness_of_neighbours(1.5)


def test_grain_grows_with_density_and_with_strength() -> None:
    base = np.array([0.2, 0.6, 0.9], np.float32)

    def spread(above_base: float, strength: float) -> float:
        density = np.tile(base + np.float32(above_base), (100, 100, 1)).astype(np.float32)
        return float((add_grain(density, base, strength, 0.6, np.random.default_rng(1)) - density).std())

    assert 0 < spread(0.0, 0.02) < spread(0.3, 0.02) < spread(1.2, 0.02) < spread(1.2, 0.05)


def test_layers_share_as_much_grain_as_asked() -> None:
    density = np.full((150, 150, 3), 1.5, np.float32)
    base = np.zeros(3, np.float32)

    def likeness(shared: float) -> float:
        grainy = add_grain(density, base, 0.02, 0.0, np.random.default_rng(2), shared=shared)
        return float(np.corrcoef(grainy[..., 0].ravel(), grainy[..., 2].ravel())[0, 1])

    assert likeness(0.0) == pytest.approx(0.0, abs=0.05)
    assert likeness(0.7) == pytest.approx(0.7, abs=0.05)
    assert likeness(1.0) == pytest.approx(1.0, abs=1e-4)


def test_halation_glows_red_around_a_light_and_nowhere_else() -> None:
    light = np.full((101, 101, 3), 0.1, np.float32)
    light[48:53, 48:53] = 4.0
    added = halate(light, 0.1, spread=4.0) - light
    near, far = added[50, 58], added[5, 5]
    assert near[0] > 3 * near[1] > 9 * near[2] > 0
    assert far == pytest.approx(0.0, abs=1e-5)


def test_a_well_exposed_roll_gives_the_greys_back_in_order() -> None:
    roll = draw_roll(np.random.default_rng(3))
    picture = np.repeat(np.linspace(10, 245, 64, dtype=np.uint8)[None, :, None], 3, 2)
    negative = roll.stock.density(roll.stock.expose(scene(picture)))
    assert (np.diff(scan(negative, roll, Look()).astype(int).mean(axis=2), axis=1) >= 0).all()


def test_a_roll_of_black_and_white_has_no_colour() -> None:
    monochrome = {stock.name for stock in load_stocks().values() if stock.monochrome}
    seeds = [seed for seed in range(60) if draw_roll(np.random.default_rng(seed)).stock.name in monochrome]
    assert 2 <= len(seeds) <= 25
    photograph = photograph_positive(scene_picture(), np.random.default_rng(seeds[0]))
    assert np.ptp(photograph.astype(int), axis=2).max() <= 1


@settings(max_examples=15)
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
    make=st.sampled_from([photograph_positive, photograph_digital, clean]),
)
def test_every_step_keeps_the_shape_and_stays_8_bit(height: int, width: int, seed: int, make) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = make(picture, np.random.default_rng(seed))
    assert out.shape == picture.shape
    assert out.dtype == np.uint8


def test_a_camera_that_is_cleaned_up_after_has_less_noise_and_the_same_edges() -> None:
    edges = scene_picture(200, 200)
    speckled = np.clip(edges + np.random.default_rng(0).normal(0, 4, edges.shape), 0, 255).astype(np.uint8)
    cleaned = clean(speckled, np.random.default_rng(1))
    inside = np.s_[5:25, 5:25]  # an even patch
    assert cleaned[inside].std(axis=(0, 1)).mean() < 0.7 * speckled[inside].std(axis=(0, 1)).mean()
    step = cleaned[20, 104:108].astype(int).mean(axis=0) - cleaned[20, 92:96].astype(int).mean(axis=0)
    assert step == pytest.approx([40 - 180, 90 - 60, 170 - 40], abs=12)


def test_a_scanner_sharpens_blurs_and_adds_as_much_noise_as_it_says() -> None:
    picture = np.full((80, 80, 3), 128, np.uint8)
    picture[:, 40:] = 160
    rng = np.random.default_rng(0)
    assert np.array_equal(digitise(picture, Scanner(0.0, 0.0, 0.0, 1.0), rng), picture)
    sharp = digitise(picture, Scanner(0.0, 0.0, 1.0, 1.0), rng)
    assert sharp.min() < 128 < 160 < sharp.max()
    soft = digitise(picture, Scanner(1.0, 0.0, 0.0, 1.0), rng)
    assert ((soft >= 128) & (soft <= 160)).all()
    assert len(np.unique(soft)) > 2
    noisy = digitise(picture, Scanner(0.0, 2.0, 0.0, 1.0), rng)[:, :35].astype(float)
    assert noisy.std() == pytest.approx(2.0, abs=0.15)
    assert np.ptp(noisy, axis=2).max() == 0
    drawn = [draw_scanner(np.random.default_rng(seed)) for seed in range(50)]
    assert len({scanner.sharpening > 0 for scanner in drawn}) == len({scanner.noise > 0 for scanner in drawn}) == 2


def test_kinds_of_scanner_differ_in_what_they_are_known_for() -> None:
    drawn = {kind: [draw_scanner(np.random.default_rng(seed), kind) for seed in range(80)] for kind in KINDS}
    assert all(one.kind == kind for kind, those in drawn.items() for one in those)
    frontier, noritsu = (
        {"knee": [s.look.knee for s in drawn[k]], "radius": [s.radius for s in drawn[k]]}
        for k in ("frontier", "noritsu")
    )
    assert np.mean(frontier["knee"]) < np.mean(noritsu["knee"]) - 0.05  # highlights are rolled off earlier
    assert np.mean(frontier["radius"]) > np.mean(noritsu["radius"]) + 0.05  # detail is coarser
    assert min(s.blur for s in drawn["flatbed"]) > 0
    shares = drawn_shares(300)
    assert shares == pytest.approx({kind: of.share for kind, of in KINDS.items()}, abs=0.08)


def drawn_shares(count: int) -> dict[str, float]:
    """How often each kind of scanner is drawn."""
    kinds = [draw_scanner(np.random.default_rng(seed)).kind for seed in range(count)]
    return {kind: kinds.count(kind) / count for kind in KINDS}


def test_a_look_does_what_it_says() -> None:
    roll = replace(draw_roll(np.random.default_rng(3)), stock=load_stocks()["Portra 400"], development=FRESH)
    negative = roll.density(scene(scene_picture()))

    def rendered(**look: float) -> np.ndarray:
        return scan(negative, roll, Look(**look)).astype(float)

    plain = rendered()
    assert rendered(contrast=1.3).std() > plain.std() + 2
    assert np.ptp(rendered(saturation=1.3), axis=2).mean() > np.ptp(plain, axis=2).mean() + 2
    assert rendered(brightness=0.1).mean() > plain.mean() + 3
    assert rendered(white=0.8).max() < plain.max() - 5
    assert rendered(knee=0.3)[plain > 200].mean() < plain[plain > 200].mean() - 2


FRESH = draw_development(np.random.default_rng(0), kind="fresh")


def test_a_pushed_roll_is_steeper_and_grainier_a_pulled_one_flatter_and_finer_an_old_one_fogged() -> None:
    by_kind = {kind: draw_development(np.random.default_rng(1), kind=kind) for kind in DEVELOPMENTS}
    pushed, pulled, expired = (by_kind[kind] for kind in ("pushed", "pulled", "expired"))
    assert pushed.contrast > 1.05 > 1.0 > 0.95 > pulled.contrast
    assert pushed.grain > 1.0 > pulled.grain
    assert pushed.stops < 0 < pulled.stops
    assert (expired.fog > 0).all()
    assert len(set(expired.fog.tolist())) == 3
    assert expired.contrast < 1.0 < expired.grain
    half = draw_development(np.random.default_rng(1), reach=0.5, kind="pushed")
    assert 1.0 < half.contrast < pushed.contrast
    assert half.stops == pytest.approx(pushed.stops / 2)


def test_a_roll_is_developed_as_its_development_says_and_a_lab_takes_most_of_the_fog_out() -> None:
    fresh = replace(draw_roll(np.random.default_rng(3)), stock=load_stocks()["Portra 400"], development=FRESH)
    light = scene(scene_picture())
    old = replace(fresh, development=replace(FRESH, kind="expired", fog=np.array([0.1, 0.2, 0.15], np.float32)))
    assert old.density(light) - fresh.density(light) == pytest.approx(np.broadcast_to([0.1, 0.2, 0.15], light.shape))
    flat = replace(fresh, development=replace(FRESH, kind="pulled", contrast=0.8))
    above = fresh.density(light) - fresh.clear
    assert flat.density(light) - flat.clear == pytest.approx(0.8 * above, abs=1e-5)
    one, other = (scan(roll.density(light), roll, Look()).astype(float).mean(axis=(0, 1)) for roll in (fresh, old))
    assert 0 < np.abs(one - other).max() < 20


def test_a_finished_picture_is_a_jpeg_of_the_size_asked_for() -> None:
    square = scene_picture(300, 300)
    with Image.open(BytesIO(finish(square, 210, np.random.default_rng(0)))) as image:
        assert image.format == "JPEG"
        assert image.size == (210, 210)


@pytest.mark.parametrize(("height", "width"), [(900, 1200), (300, 200), (60, 50)])
def test_twins_show_the_same_piece_at_the_same_size(height: int, width: int) -> None:
    bars = np.zeros((height, width, 3), np.uint8)
    bars[:, np.arange(width) % 60 < 30] = 220  # what no film could hide
    likeness = []
    for seed in range(5):
        digital, film = (Image.open(BytesIO(jpeg)) for jpeg in make_twins(bars, 140, np.random.default_rng(seed)))
        assert digital.size == film.size
        assert 140 <= digital.width == digital.height <= 140 * 1.55
        profiles = [np.asarray(image, float).mean(axis=(0, 2)) for image in (digital, film)]
        if all(profile.std() > 1 for profile in profiles):
            likeness.append(np.corrcoef(*profiles)[0, 1])
    assert np.median(likeness) > 0.9


def test_twins_are_the_same_every_time_and_others_with_another_seed() -> None:
    picture = scene_picture(240, 320)
    first, again, other = (make_twins(picture, 100, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert len({*first, *other}) == 4
    with Image.open(BytesIO(make_single(picture, 100, np.random.default_rng(3)))) as image:
        assert image.width == image.height

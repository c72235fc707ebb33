"""Heat maps against autograd, which takes other ways to the same numbers, on photographs and on noise."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import keras
import torch

from film.preprocess import preprocess
from film.specs import EXPLANATION_TOLERANCE, FILM_ORIGIN, HEATMAP
from training import explain, film_origin, founding, grain

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
SIDE = 140
STEPS = 200
"""Along the way from the average picture: enough that the trapezium rule is right to 1e-5."""
HALF = HEATMAP.shape[1] // 2
Tensor = torch.Tensor


@pytest.fixture(scope="module")
def served() -> keras.Model:
    """The network that is served, for small pictures: its weights know nothing of the size."""
    return film_origin.load(ROOT / "training" / "weights" / "film_origin.safetensors", SIDE)


@pytest.fixture(scope="module")
def full_size() -> torch.nn.Module:
    """The explainer of the network that is served, as it is served."""
    return explain.explainer(film_origin.load(ROOT / "training" / "weights" / "film_origin.safetensors"))


def pictures() -> Tensor:
    """Two photographs, one of film, and two pictures of noise; float32 (4, side, side, 3) in 0..1."""
    files = [ROOT / "samples" / name for name in ("digital/college.jpg", "film/cairn.jpg")]
    crops = preprocess([file.read_bytes() for file in files], FILM_ORIGIN.size).pixels[:, 200 : 200 + SIDE, :SIDE]
    rng = np.random.default_rng(7)
    fine = rng.integers(0, 256, (SIDE, SIDE, 3))
    soft = np.clip(np.linspace(40, 220, SIDE)[:, None, None] + rng.normal(0, 3, (SIDE, SIDE, 1)), 0, 255).repeat(3, 2)
    return torch.from_numpy(np.concatenate((crops, [fine, soft])).astype(np.float32) / 255)


def scaled(evidence: Tensor, least: float = 1e-30) -> Tensor:
    """Cut at 0 and scaled so that the largest is 1, or ``least`` is."""
    positive = np.maximum(evidence.detach().numpy(), 0)
    return torch.from_numpy(positive / np.maximum(positive.max((1, 2), keepdims=True), least))


@pytest.mark.parametrize("side", [SIDE, 180])
def test_the_founding_networks_map_is_grad_cam_by_autograd(side: int) -> None:
    """At 180 pixels the last convolution's map has an odd side, and pooling leaves its edge out."""
    keras.utils.set_random_seed(1)
    network = founding.build(side)
    x = torch.nn.functional.interpolate(pictures().permute(0, 3, 1, 2), (side, side)).permute(0, 2, 3, 1)
    film, heat = explain.explainer(network)(x)

    features, probability = None, x
    for layer in network.layers:
        probability = layer(probability)
        if layer.name == "conv5":
            features = probability
    slopes = torch.autograd.grad(probability.sum(), features)[0]
    cam = (slopes.mean((1, 2), keepdim=True) * features).sum(-1)

    assert heat.shape == features.shape[:3]
    assert heat.max() == 1
    assert torch.equal(film, probability)
    torch.testing.assert_close(heat, scaled(cam), atol=EXPLANATION_TOLERANCE, rtol=0)


def test_grad_cam_has_a_map_where_a_sure_verdict_has_no_slope_left() -> None:
    keras.utils.set_random_seed(2)
    network = founding.build(SIDE)
    before = explain.explainer(network)(pictures())[1]
    last = network.get_layer("film")
    last.set_weights([last.get_weights()[0], np.array([200.0], np.float32)])
    film, heat = explain.explainer(network)(pictures())
    assert (film == 1).all()
    torch.testing.assert_close(heat, before)


def evidence_by_autograd(network: keras.Model, x: Tensor) -> Tensor:
    """What each block of one picture adds to the logit of film, (blocks,), from slopes alone.

    The slopes of a statistic, times the blocks' distances from their average, sum to what it has more than in a picture
    of average blocks. The rest is the same everywhere and is dealt out by weight, which the slopes of the means are.
    """
    blocks = grain.measure(x)
    moments = blocks.moments.detach().requires_grad_()
    statistics = grain.pool(moments, grain.weigh(blocks.texture, blocks.tone))[0]
    slopes = torch.stack([torch.autograd.grad(one, moments, retain_graph=True)[0][0] for one in statistics])

    kinds = grain.BANDS * grain.MOMENTS
    own = ((moments[0] - statistics[kinds : 2 * kinds]).detach() * slopes).sum(-1)  # (111, blocks)
    even, smooth, smoothest = (slopes[number * kinds, :, 0] for number in range(3))
    tones = [slopes[4 * kinds + number * grain.BANDS, :, 0] + smooth for number in range(len(grain.TONES))]
    weights = [*[w.expand(kinds, -1) for w in (even, smooth, smoothest, smooth)], *[w.expand(3, -1) for w in tones]]
    usual = network.get_layer("standardise").mean.value.detach()
    rest = (statistics.detach() - own.sum(-1) - usual)[:, None] * torch.cat(weights)
    return growth_by_autograd(network, statistics.detach()) @ (own + rest)


def growth_by_autograd(network: keras.Model, statistics: Tensor) -> Tensor:
    """The average slope of the logit along the way from the average picture, for each statistic as it is, (111,)."""
    standardise = network.get_layer("standardise")
    standard = standardise(statistics[None]).detach()
    way = torch.linspace(0, 1, STEPS + 1)[:, None] * standard
    way.requires_grad_()
    logits = torch.logit(network.get_layer("film")(network.get_layer("members")(way)))
    slopes = torch.autograd.grad(logits.sum(), way)[0]
    average = (slopes[1:] + slopes[:-1]).mean(0) / 2
    return average * standard[0] / (statistics - standardise.mean.value.detach())


def test_the_served_networks_map_is_what_autograd_says(served: keras.Model) -> None:
    explainer = explain.explainer(served)
    film, heat = explainer(pictures())
    blocks = SIDE // grain.BLOCK
    expected = torch.stack([evidence_by_autograd(served, picture[None]) for picture in pictures()])
    expected = expected.reshape(-1, blocks, blocks)

    assert torch.equal(film, served(pictures()))
    torch.testing.assert_close(explainer.evidence(pictures())[1], expected, atol=EXPLANATION_TOLERANCE / 10, rtol=0)
    torch.testing.assert_close(heat, scaled(expected, 1 / blocks**2), atol=EXPLANATION_TOLERANCE, rtol=0)


def test_the_evidence_of_all_blocks_is_the_distance_from_the_average_picture(served: keras.Model) -> None:
    film, evidence = explain.explainer(served).evidence(pictures())
    average = served.get_layer("film")(served.get_layer("members")(torch.zeros(1, grain.FEATURES)))
    distance = torch.logit(film.double()) - torch.logit(average.double())
    torch.testing.assert_close(evidence.sum((1, 2)), distance[:, 0].float(), atol=1e-4, rtol=0)


def test_what_is_cut_off_is_cut_off_in_the_evidence_too(served: keras.Model) -> None:
    """Noise is far beyond what the statistics are bounded to; without that bound the sum would be off by logits."""
    noise = pictures()[2:3]
    standardise = served.get_layer("standardise")
    assert (standardise(grain.GrainStatistics()(noise)).abs() == grain.LIMIT).any()
    film, evidence = explain.explainer(served).evidence(noise)
    average = served.get_layer("film")(served.get_layer("members")(torch.zeros(1, grain.FEATURES)))
    assert evidence.sum().item() == pytest.approx((torch.logit(film) - torch.logit(average)).item(), abs=1e-3)


def halves(film: np.ndarray, digital: np.ndarray) -> Tensor:
    """Two pictures, float32 (2, 700, 700, 3): film on the left and digital on the right, and the other way round."""
    middle = HALF * grain.BLOCK
    pairs = [np.concatenate((a[:, :middle], b[:, middle:]), 1) for a, b in ((film, digital), (digital, film))]
    return torch.from_numpy(np.stack(pairs)).float() / 255


def on_film_and_digital(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The means of two maps of ``halves`` over the half that is film and over the other, without the seam."""
    left, right = maps[:, :, :HALF].mean((1, 2)), maps[:, :, HALF + 1 :].mean((1, 2))
    return torch.stack((left[0], right[1])), torch.stack((right[0], left[1]))


def prepared(files: list[Path]) -> np.ndarray:
    return preprocess([file.read_bytes() for file in files], FILM_ORIGIN.size).pixels


def test_half_film_and_half_digital_is_warm_on_the_film(full_size: torch.nn.Module) -> None:
    film, *digital = prepared(
        [ROOT / "samples" / f"{name}.jpg" for name in ("film/cairn", "digital/bridge", "digital/daisy")]
    )
    for other in digital:
        with torch.no_grad():
            on_film, on_digital = on_film_and_digital(full_size(halves(film, other))[1])
        assert (on_film > 3 * on_digital).all()


@pytest.mark.shared_data
def test_half_real_film_and_half_real_digital_is_told_apart(full_size: torch.nn.Module) -> None:
    """50 pictures of halves; a map that knew nothing would be right in half of them."""
    folders = [SHARED / "validation" / kind for kind in ("film", "digital")]
    if not all(folder.is_dir() for folder in folders):
        pytest.skip("the real photographs of ../shared/data are not here")
    films, digitals = (
        sorted(folder.iterdir())[start::step][:25] for folder, start, step in zip(folders, (1, 0), (6, 3), strict=True)
    )
    right = {"evidence": [], "map": []}
    for film, digital in zip(prepared(films), prepared(digitals), strict=True):
        with torch.no_grad():
            evidence = full_size.evidence(halves(film, digital))[1]
        for name, maps in (("evidence", evidence), ("map", evidence.clamp_min(0))):
            on_film, on_digital = on_film_and_digital(maps)
            right[name] += (on_film > on_digital).tolist()
    print({name: f"{sum(found)} of {len(found)}" for name, found in right.items()})
    assert all(np.mean(found) >= 0.7 for found in right.values())


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ([[-1.0, 0.0], [-3.0, -2.0]], [[0, 0], [0, 0]]),
        ([[-1.0, 2.0], [4.0, 1.0]], [[0, 0.5], [1, 0.25]]),
        ([[1e-30, -1.0], [0.0, 0.0]], [[1, 0], [0, 0]]),
    ],
)
def test_evidence_is_cut_at_nothing_and_scaled_to_the_most(evidence: list[list[float]], expected: list[list]) -> None:
    assert explain.heat(torch.tensor([evidence]))[0].tolist() == expected


def test_one_odd_place_does_not_darken_the_others() -> None:
    evidence = torch.full((1, 5, 5), 0.1)
    evidence[0, 2, 2] = 1.3
    heat = explain.heat(evidence, strongest=5)[0]
    assert heat[2, 2] == 1
    assert heat[0, 0] == pytest.approx(0.1 / 0.34)


def test_next_to_no_evidence_stays_dark() -> None:
    evidence = torch.tensor([[[0.001, -1.0]], [[0.2, 0.1]]])
    assert explain.heat(evidence, least=0.1).flatten(1).tolist() == [pytest.approx([0.01, 0]), pytest.approx([1, 0.5])]


@pytest.mark.parametrize(
    "build", [grain.build, pytest.param(founding.build, id="founding")], ids=lambda build: build.__module__
)
def test_pictures_do_not_influence_each_others_maps(build: Callable[[int], keras.Model]) -> None:
    keras.utils.set_random_seed(4)
    explainer = explain.explainer(build(SIDE))
    together = explainer(pictures())[1]
    alone = torch.cat([explainer(picture[None])[1] for picture in pictures()])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


def test_the_spec_has_a_value_for_each_block() -> None:
    assert HEATMAP.shape == (FILM_ORIGIN.size // grain.BLOCK,) * 2


def test_another_network_is_refused() -> None:
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)], name="other")
    with pytest.raises(ValueError, match="other is no network of film_origin"):
        explain.explainer(other)

"""How far verdicts move when another library decodes and resizes: within what the specs allow between profiles.

Training and the cpu profile see the fast twin's pixels. The figures in docs/gpu.md were measured like this, with every
photograph.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray

from film import gate, images, specs
from film.network import Network, load_network
from film.ops import fast
from film.ops.dali import graphs
from film.ops.dali.runner import Runner
from film.preprocess import preprocess

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
EVERY = 24
"""Of the real photographs, one in so many is tried."""
Decode = Callable[[bytes], NDArray[np.uint8]]


@pytest.fixture(scope="module", params=specs.CLASSIFIERS, ids=lambda spec: spec.name)
def spec(request: pytest.FixtureRequest) -> specs.ModelSpec:
    return request.param


@pytest.fixture(scope="module")
def network(spec: specs.ModelSpec) -> Network:
    return load_network(ROOT / "model_repository" / spec.network_model / "1" / "model.onnx", precision="f32")


@pytest.fixture(scope="module")
def by_dali(spec: specs.ModelSpec) -> Decode:
    dali = Runner(graphs.classifier_pipeline(spec.size, "cpu"))
    return lambda blob: np.array(dali(list(gate.gate([blob], spec.size).encoded))[0][0])


def furthest(spec: specs.ModelSpec, network: Network, files: list[Path], other: Decode) -> dict[str, float]:
    """The largest difference of each output over ``files``."""
    moved = {output.name: 0.0 for output in spec.outputs}
    for file in files:
        blob = file.read_bytes()
        usual = preprocess([blob], spec.size)
        assert usual.valid.all(), file
        answers = network({spec.pixels.name: usual.pixels, specs.VALID.name: usual.valid})
        others = network({spec.pixels.name: other(blob)[None], specs.VALID.name: usual.valid})
        moved = {name: max(most, float(np.abs(answers[name] - others[name]).max())) for name, most in moved.items()}
    return moved


def assert_tolerated(spec: specs.ModelSpec, moved: dict[str, float], probability: float) -> None:
    for output in spec.outputs:
        assert moved[output.name] <= specs.tolerated(output, probability), output.name


def test_samples_are_judged_alike(spec: specs.ModelSpec, network: Network, by_dali: Decode) -> None:
    files = sorted((ROOT / "samples").rglob("*.jpg"))
    assert_tolerated(spec, furthest(spec, network, files, by_dali), specs.PROFILE_TOLERANCE)


@pytest.mark.shared_data
def test_real_photographs_are_judged_alike(spec: specs.ModelSpec, network: Network, by_dali: Decode) -> None:
    files = sorted(file for folder in ("validation", "negatives") for file in (SHARED / folder).rglob("*.jp*g"))
    if not files:
        pytest.skip("the real photographs of ../shared/data are not here")
    assert_tolerated(spec, furthest(spec, network, files[::EVERY], by_dali), specs.PROFILE_TOLERANCE)


def test_chroma_enlarged_as_a_gpu_does_moves_next_to_nothing(spec: specs.ModelSpec, network: Network) -> None:
    def plainly(blob: bytes) -> NDArray[np.uint8]:
        pixels = simplejpeg.decode_jpeg(blob, colorspace="RGB", fastupsample=True)
        upright = images.apply_orientation(pixels, images.orientation(images.open_image(blob)))
        return fast.crop_resize(np.ascontiguousarray(upright), spec.size)

    files = sorted((ROOT / "samples").rglob("*.jpg"))
    assert_tolerated(spec, furthest(spec, network, files, plainly), specs.PROFILE_TOLERANCE / 5)

"""The grain of a picture by our kernels: on a CPU in PyTorch, and as Triton's interpreter runs them."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from export import grain_kernels, grain_torch
from export.formats import pt2
from export.grain_kernels import GrainStatisticsByKernels, by_kernels
from export.graphs import FilmOriginGraph
from tests.export.conftest import MakeSource

PROJECT = Path(__file__).parents[2]
INTERPRETED = """
import torch

from export import grain_kernels
from export.grain_kernels import TILE
from export.grain_triton import measure_coarse, measure_fine

def check(found, wanted):
    for one, other in zip(found, wanted):
        kinds = [dim for dim in range(other.dim()) if dim != 1]
        assert ((one - other).abs().amax(kinds) <= 3e-5 * other.abs().amax(kinds)).all()


def compare(pictures):  # in several programs, the last of which is not full
    count, _, height, width = pictures.shape
    blocks = count * height * width // 400
    wanted = grain_kernels.grain_fine(pictures)
    found = [torch.full_like(each, torch.nan) for each in wanted]
    grid = (-(-blocks // TILE),)
    measure_fine[grid](pictures, *found, blocks, height, width, side=20, lanes=4, tile=TILE)
    check(found, wanted)
    wanted = grain_kernels.grain_coarse(pictures)
    found = [torch.full_like(each, torch.nan) for each in wanted]
    grid = (-(-2 * blocks // TILE),)
    measure_coarse[grid](pictures, *found, 4 * blocks, height, width, side=10, lanes=2, tile=2 * TILE)
    check(found, wanted)


torch.manual_seed(0)
noise, lines = torch.rand(1, 1, 40, 60), (torch.arange(60) // 3 % 2).float().expand(1, 1, 40, 60)
compare(255 * torch.cat([noise, lines]))
compare(255 * noise[..., :20, :20].contiguous())
"""


@pytest.mark.parametrize(("height", "width"), [(40, 60), (20, 20), (100, 100)])
def test_on_a_cpu_the_operators_measure_what_the_layers_do(height: int, width: int) -> None:
    pixels = torch.rand(3, 3, height, width, generator=torch.Generator().manual_seed(0))
    pixels[1] = 0
    pixels[2] = pixels[2].round()
    layers = grain_torch.GrainStatistics()
    torch.testing.assert_close(GrainStatisticsByKernels(layers)(pixels), layers(pixels), rtol=1e-5, atol=1e-5)


def test_a_graph_is_copied_and_its_verdicts_stay(make_source: MakeSource) -> None:
    graph = make_source("grain").torch_graph
    copy = by_kernels(graph)
    kinds = [{type(module) for module in each.modules()} for each in (graph, copy)]
    assert grain_torch.GrainStatistics in kinds[0]
    assert grain_torch.GrainStatistics not in kinds[1]
    assert GrainStatisticsByKernels in kinds[1]
    pixels = torch.randint(0, 256, (2, 100, 100, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    valid = torch.tensor([[True], [False]])
    torch.testing.assert_close(copy(pixels, valid), graph(pixels, valid), rtol=0, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize(("operator", "side"), [("grain_fine", 20), ("grain_coarse", 10)])
def test_a_picture_that_is_no_whole_blocks_is_refused(operator: str, side: int) -> None:
    measure = getattr(grain_kernels, operator)
    for picture in (torch.zeros(1, 1, side, side + 5), torch.zeros(1, 1, side, side).half()):
        with pytest.raises(ValueError, match=f"float32 of sides that are a multiple of {side}"):
            measure(picture)


@pytest.mark.parametrize(("device", "wanted"), [("cpu", False), ("cuda", True)])
def test_only_a_gpu_gets_them(
    make_source: MakeSource, monkeypatch: pytest.MonkeyPatch, device: str, wanted: bool
) -> None:
    source = make_source("grain")
    compiled: list[torch.nn.Module] = []
    monkeypatch.setattr(pt2, "write_pt2", lambda graph, *_: compiled.append(graph))
    monkeypatch.setattr(pt2, "check_alone", lambda *_: "")
    monkeypatch.setattr(pt2, "compiled_for", lambda _: "")
    pt2.FORMAT.write(replace(source, device=torch.device(device)), Path("nowhere.pt2"))
    assert isinstance(compiled[0], FilmOriginGraph)
    assert any(isinstance(module, GrainStatisticsByKernels) for module in compiled[0].modules()) == wanted


@pytest.mark.skipif(
    not importlib.util.find_spec("triton"), reason="Triton's language is not installed (it comes with PyTorch for CUDA)"
)
def test_the_kernels_measure_what_pytorch_does_at_every_edge() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr

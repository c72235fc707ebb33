"""What holds where there is a GPU, as far as it can be seen without one."""

import copy
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from torch._inductor import codecache, cpu_vec_isa

from export.errors import ExportError
from export.formats import pt2, torchscript, torchscript_half
from export.graphs import EXPORTABLES, NegativeConditionGraph
from export.half_graph import folded, half_graph, rewritten
from export.labelled import Pictures
from export.parity import largest_difference
from export.source import Source
from film.specs import FILM_ORIGIN, FILM_ORIGIN_EXPLAIN, PARITY_TOLERANCE, VALID, ModelSpec, TensorSpec
from film.torch_network import TorchNetwork, load_module, single_precision

MakeSource = Callable[[str], Source]
TOY = ModelSpec("toy", 2, ("no", "yes"), "yes", 0.5, (TensorSpec("SCORES", "FP32", (2,), ("no", "yes")),))
AS_IT_LOOKS_WITH_A_GPU = """
import os, torch
torch.cuda.is_available = lambda: True
import training
assert "KERAS_TORCH_DEVICE" not in os.environ, "training may use the GPU"
import export
import keras
print(keras.ops.ones(1).device)
"""


def test_export_keeps_keras_on_the_cpu_and_training_does_not() -> None:
    clean = {name: value for name, value in os.environ.items() if name != "KERAS_TORCH_DEVICE"}
    run = subprocess.run(
        [sys.executable, "-c", AS_IT_LOOKS_WITH_A_GPU], env=clean, capture_output=True, text=True, check=False
    )
    assert run.stdout.strip() == "cpu", run.stderr


def test_what_cannot_be_compiled_for_a_gpu_says_so(tmp_path: Path) -> None:
    made = Source(EXPORTABLES[FILM_ORIGIN_EXPLAIN.name], tmp_path, tmp_path, Pictures(()), torch.device("cuda"))
    with pytest.raises(ExportError, match="film_origin_explain cannot be compiled for a GPU"):
        pt2.FORMAT.write(made, tmp_path / "model.pt2")


class Watched:
    """A network that remembers whether it might have been computed in TF32: convolutions, products of matrices."""

    def __init__(self) -> None:
        self.saw: list[tuple[bool, bool]] = []

    def __call__(self, *_: torch.Tensor, **__: torch.Tensor) -> tuple[torch.Tensor]:
        self.saw.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
        return (torch.zeros(1, 2),)


def run_everywhere(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, bool]]:
    """What a network sees that is run by the server's adapter, as TorchScript by the gate, and as PT2 by the gate."""
    network: Any = Watched()
    for form in (torchscript, pt2):
        monkeypatch.setattr(form, "load_module", lambda *_: network)
    pixels, valid = np.zeros((1, *spec.pixels.shape), np.uint8), np.ones((1, *VALID.shape), np.bool_)
    TorchNetwork(spec, network, "cpu")(torch.from_numpy(pixels), torch.from_numpy(valid))
    for form in (torchscript, pt2):
        form.start(Path("no file"), spec, torch.device("cpu"))({spec.pixels.name: pixels, VALID.name: valid})
    return network.saw


@pytest.fixture
def eager_for_tf32() -> Iterator[None]:
    """A process in which PyTorch may use TF32 for everything; for convolutions it may anyway."""
    torch.backends.cuda.matmul.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32 = False


@pytest.mark.usefixtures("eager_for_tf32")
def test_what_is_in_single_precision_is_never_run_in_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_everywhere(TOY, monkeypatch) == [(False, False)] * 3
    assert torch.backends.cudnn.allow_tf32, "the process's setting is as it was"


def test_threads_that_compute_in_single_precision_do_not_end_it_for_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with ThreadPoolExecutor(1) as other:
        first, second = single_precision(), single_precision()
        other.submit(first.__enter__).result()
        with second:
            other.submit(first.__exit__, None, None, None).result()
            assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32, "the process's setting is as it was"


def test_a_file_is_compiled_for_single_precision_and_large_batches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    watched, sizes = Watched(), list[Any]()
    monkeypatch.setattr(torch.export, "export", lambda *_, dynamic_shapes: sizes.extend(dynamic_shapes.values()))
    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", lambda *_, **__: watched())
    pt2.write_pt2(torch.nn.Identity(), TOY, tmp_path / "model.pt2", torch.device("cpu"))
    assert [convolutions for convolutions, _ in watched.saw] == [False]
    assert {size[0].max for size in sizes} == {256}


def test_a_file_for_a_gpu_is_compiled_for_any_host_beside_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str | None] = []

    def compiled(*_: Any, inductor_configs: dict[str, Any], **__: Any) -> None:
        with torch._inductor.config.patch(inductor_configs):  # which knows the setting by that name
            asked.append(torch._inductor.config.cpp.march)

    monkeypatch.setattr(torch.export, "export", lambda *_, **__: None)
    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", compiled)
    monkeypatch.setattr(pt2, "example", lambda *_: ())
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *_: self)
    for device in ("cpu", "cuda"):
        pt2.write_pt2(torch.nn.Identity(), TOY, tmp_path / "model.pt2", torch.device(device))
    assert asked == [None, "haswell"]


@pytest.mark.parametrize("name", EXPORTABLES)
def test_a_trace_asks_a_gpu_for_nothing_that_it_would_do_otherwise_or_not_at_all(
    name: str, traced: Callable[[str], Path]
) -> None:
    """A trace keeps whether its convolutions may use TF32. And a number that it keeps as a tensor is on the CPU: most
    operators on a GPU take one all the same, but these do not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and what Triton's backend takes
        steps = list(torch.jit.load(traced(name)).inlined_graph.nodes())  # type: ignore[no-untyped-call]
    assert not [step.kind() for step in steps if "Device" in {str(value.type()) for value in step.inputs()}]
    convolutions = [list(step.inputs())[-1].toIValue() for step in steps if step.kind() == "aten::_convolution"]
    assert not any(convolutions)
    limits = [[str(value.type()) for value in step.inputs()][1:] for step in steps if "aten::clamp_m" in step.kind()]
    assert limits
    assert not any("Tensor" in types for types in limits)


def test_a_gpu_gets_the_network_in_half_precision_and_what_is_judged_is_that(
    make_source: MakeSource, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compiled: list[torch.nn.Module] = []
    monkeypatch.setattr(pt2, "write_pt2", lambda graph, *_: compiled.append(graph))
    monkeypatch.setattr(pt2, "check_alone", lambda *_: "")  # there is no file
    monkeypatch.setattr(pt2, "compiled_for", lambda device: f"what {device} is")
    condition, grain = (replace(make_source(name), device=torch.device("cuda")) for name in ("condition", "grain"))
    for source in (condition, grain):
        assert pt2.FORMAT.write(source, tmp_path / "model.pt2") == {
            "device": "cuda",
            "compiled_for": "what cuda is",
            "loads_alone": True,
        }
    half, single = ({weight.dtype for weight in graph.parameters()} for graph in compiled)
    assert half == {torch.float16}
    assert single == {torch.float32}
    assert [pt2.FORMAT.trials(source)[0].arithmetic for source in (condition, grain)] == ["fp16", "fp32"]
    assert [pt2.FORMAT.trials(replace(condition, device=torch.device("cpu")))[0].arithmetic] == ["fp32"]


def test_half_precision_answers_as_single_precision_does(make_source: MakeSource) -> None:
    graph = make_source("condition").graph
    assert isinstance(graph, NegativeConditionGraph)
    half = half_graph(graph)
    assert not [module for module in half.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    pixels = torch.randint(0, 256, (2, 244, 244, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    valid = torch.tensor([[True], [False]])
    with torch.no_grad():
        for told, wanted in zip(half(pixels, valid), graph(pixels, valid), strict=True):
            assert told.dtype == torch.float32
            torch.testing.assert_close(told, wanted, rtol=0, atol=PARITY_TOLERANCE["fp16"], equal_nan=True)


def test_what_is_folded_and_rewritten_is_the_same_network(make_source: MakeSource) -> None:
    network = copy.deepcopy(make_source("condition").graph.network)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for module in network.modules():  # as a training would leave them, not as they begin
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.copy_(torch.rand(module.num_features, generator=generator) - 0.5)
                module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
        pixels = torch.rand(1, 3, 244, 244, generator=generator)
        whole = folded(network)
        for other in (whole, rewritten(whole)):
            for told, wanted in zip(other(pixels), network(pixels), strict=True):
                torch.testing.assert_close(told, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("alone", "said"),
    [
        (pt2.ALONE, r"ends with code 1; it said: film.network.NetworkError: .*model\.pt2 cannot be loaded on cpu"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ends with SIGSEGV; it said: nothing"),
        (
            "import sys; sys.stderr.buffer.write(b'RuntimeError: CUDA \\xff\\nCompile it again'); sys.exit(3)",
            "RuntimeError: CUDA",
        ),
    ],
    ids=["no code", "killed", "no text"],
)
def test_code_that_no_other_process_can_load_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: str, said: str
) -> None:
    file = tmp_path / "model.pt2"
    file.write_bytes(b"no code")
    monkeypatch.setattr(pt2, "ALONE", alone)
    with pytest.raises(ExportError, match=f"another process that loads it .*{said}"):
        pt2.check_alone(file, TOY, torch.device("cpu"))


def test_what_libraries_print_is_no_reason_to_launch_step_by_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chatty = "print('a banner', end='', flush=True)"
    answer = pt2.ALONE.splitlines()[-1]
    assert pt2.UNRECORDED in answer
    rest = f"import json, types; network = types.SimpleNamespace(unrecorded='it is on a CPU')\n{answer}\nprint('bye')"
    monkeypatch.setattr(pt2, "ALONE", f"{chatty}\n{rest}")
    assert pt2.check_alone(tmp_path / "model.pt2", TOY, torch.device("cpu")) == "it is on a CPU"
    monkeypatch.setattr(pt2, "ALONE", chatty)
    with pytest.raises(ExportError, match="before it says how it runs"):
        pt2.check_alone(tmp_path / "model.pt2", TOY, torch.device("cpu"))


def test_loading_code_asks_no_compiler_what_the_processor_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask() -> NoReturn:
        raise AssertionError("a compiler was asked")

    def load(*_: Any, **__: Any) -> Any:
        return codecache.get_device_information("cpu")

    monkeypatch.setattr(cpu_vec_isa, "pick_vec_isa", ask)
    monkeypatch.setattr(torch._inductor, "aoti_load_package", load)
    assert load_module(tmp_path / "model.pt2", "cpu") == {}
    with pytest.raises(AssertionError, match="a compiler was asked"):
        load()


def test_half_precision_in_torchscript_is_made_where_there_is_a_gpu_and_judged_as_that(
    make_source: MakeSource, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    condition = make_source("condition")
    assert torchscript_half.FORMAT.lacks(FILM_ORIGIN) == "film_origin is computed in single precision"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torchscript_half.FORMAT.lacks(condition.spec) == "it is for a GPU, and there is none"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert torchscript_half.FORMAT.lacks(condition.spec) == ""

    file = tmp_path / torchscript_half.FORMAT.files[0]
    with pytest.raises(ExportError, match="--device cuda"):
        torchscript_half.FORMAT.write(condition, file)
    torchscript_half.FORMAT.write(replace(condition, device=torch.device("cuda")), file)
    assert {weight.dtype for weight in load_module(file, "cpu").parameters()} == {torch.float16}
    (trial,) = torchscript_half.FORMAT.trials(condition)
    assert trial.arithmetic == "fp16"
    largest_difference(condition.truth, condition.spec, trial, trial.start(file), condition.judged_on)  # or ParityError

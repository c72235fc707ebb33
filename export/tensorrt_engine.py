"""TensorRT engines: one builder for both libraries, which have the same API.

``tensorrt`` builds and tries its engine on the GPU that will serve it. ``tensorrt_rtx`` (a wheel on PyPI) builds ahead
of time, without a GPU, for several generations at once; the last step of compiling happens where the engine is loaded.
Networks are strongly typed: every operation has the type that the ONNX file gives it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from export.errors import EngineError
from export.runtimes import Arrays, Run
from film import gpu
from film.gpu import Gpu
from film.specs import ENGINE_BATCHES, ModelSpec

CAPABILITIES = ("8.0", "8.6", "8.9", "12.0", "12.1")
"""Compute capabilities that a ``tensorrt_rtx`` engine is built for: Ampere, Ada, Blackwell. Turing has no FP32 GEMM."""
CACHE = Path(".cache/tensorrt")
"""Where what the builder timed is kept, so that it is not timed again."""
SAID = 3
"""Complaints of a library that an error repeats."""


def find_gpu() -> Gpu | None:
    """The first GPU; None where there is no driver that works, or no GPU."""
    try:
        return next(iter(gpu.find()), None)
    except gpu.GpuError:
        return None


def build_engine(library: str, onnx: bytes, spec: ModelSpec, path: Path) -> dict[str, Any]:
    """Build ``onnx`` with ``library`` ("tensorrt" or "tensorrt_rtx") into ``path``; returns facts for the manifest.

    Any batch from 1 to ``specs.MAX_BATCH`` will run. Raises EngineError where the library refuses the network.
    """
    trt: Any = import_module(library)
    builder = trt.Builder(_logger(trt))
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, _logger(trt))
    if not parser.parse(onnx) or not network.num_outputs:
        said = [parser.get_error(number).desc() for number in range(parser.num_errors)]
        raise EngineError(f"{library} cannot read the ONNX file of {spec.name}: {'; '.join(said) or 'it is none'}.")
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # what the file has in single precision is meant to be: TF32 has ten bits
    profile = builder.create_optimization_profile()
    for tensor in (network.get_input(number) for number in range(network.num_inputs)):
        profile.set_shape(tensor.name, *((batch, *tuple(tensor.shape)[1:]) for batch in ENGINE_BATCHES))
    config.add_optimization_profile(profile)
    capabilities = targets(library)
    if library == "tensorrt_rtx":
        _aim(trt, config, capabilities)
    with _timings(trt, library, config):
        engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise EngineError(f"{library} cannot build {spec.name}: {'; '.join(_SAID)}")
    path.write_bytes(memoryview(engine))
    return {
        "library": library,
        "version": trt.__version__,
        "compute_capabilities": list(capabilities),
        "batches": list(ENGINE_BATCHES),
        "strongly_typed": True,
    }


@contextmanager
def _timings(trt: Any, library: str, config: Any) -> Iterator[None]:
    """Let the builder use and keep its timings of this GPU; ``tensorrt_rtx`` times nothing."""
    if library == "tensorrt_rtx":
        yield
        return
    cache = CACHE / f"{library}-{trt.__version__}.cache"
    known = cache.read_bytes() if cache.is_file() else b""
    if not config.set_timing_cache(config.create_timing_cache(known), False):  # they are of another GPU
        config.set_timing_cache(config.create_timing_cache(b""), False)
    yield
    if (timings := config.get_timing_cache()) is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_bytes(memoryview(timings.serialize()))


def targets(library: str) -> Sequence[str]:
    """Compute capabilities that ``library`` builds for here: ``tensorrt`` for that of this machine's GPU, if any."""
    if library == "tensorrt_rtx":
        return CAPABILITIES
    first = find_gpu()
    return [first.capability] if first else []


def _aim(trt: Any, config: Any, capabilities: Sequence[str]) -> None:
    config.num_compute_capabilities = len(capabilities)
    for number, capability in enumerate(capabilities):
        config.set_compute_capability(getattr(trt.ComputeCapability, f"SM{capability.replace('.', '')}"), number)


def start(path: Path, spec: ModelSpec, library: str) -> Run:
    """Load the engine at ``path`` on the first GPU; raises EngineError where the library refuses it.

    Unmeasured: no machine of ours had a GPU and TensorRT.
    """
    import torch

    trt = import_module(library)
    engine = trt.Runtime(_logger(trt)).deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        raise EngineError(f"{path} cannot be loaded by {library}: {'; '.join(_SAID)}")
    context = engine.create_execution_context()
    device = torch.device("cuda")

    def run(inputs: Arrays) -> dict[str, Any]:
        tensors = {name: torch.from_numpy(value).to(device).contiguous() for name, value in inputs.items()}
        count = len(next(iter(inputs.values())))
        outputs = {output.name: torch.empty(count, *output.shape, device=device) for output in spec.outputs}
        stream = torch.cuda.current_stream()
        for name, tensor in tensors.items():
            context.set_input_shape(name, tuple(tensor.shape))
        for name, tensor in (tensors | outputs).items():
            context.set_tensor_address(name, tensor.data_ptr())
        if not context.execute_async_v3(stream.cuda_stream):
            raise EngineError(f"{path} failed on {count} pictures: {'; '.join(_SAID)}")
        stream.synchronize()
        return {name: tensor.cpu().numpy() for name, tensor in outputs.items()}

    return run


_LOGGERS: dict[str, Any] = {}
_SAID: list[str] = []
"""What the libraries complained of last; without a GPU they complain of that too, which is not worth printing."""


def _logger(trt: Any) -> Any:
    """Keeps errors for our own; the library takes one logger for good and complains of any other."""

    class Listener(trt.ILogger):  # type: ignore[misc]
        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.Logger.ERROR, trt.Logger.INTERNAL_ERROR):
                _SAID.append(message)
                del _SAID[:-SAID]

    if trt.__name__ not in _LOGGERS:
        _LOGGERS[trt.__name__] = Listener()
    return _LOGGERS[trt.__name__]

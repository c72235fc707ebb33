"""Runs a published network: OpenVINO where it is installed, ONNX Runtime otherwise.

One picture an inference, several inferences at a time. A network over one 700x700 picture keeps a core busy and its
activations in cache; over a batch of 64 it would need gigabytes for the same work.
"""

import importlib.util
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from film import specs
from film.errors import SafelightError
from film.processors import usable

Tensors = Mapping[str, NDArray[Any]]
Layout = Mapping[str, np.dtype[Any]]
RunBatch = Callable[[Tensors, Tensors], None]
"""Reads every row of the inputs and fills the same row of the outputs."""

RUNTIMES = ("openvino", "onnxruntime")
"""In order of preference."""
PRECISIONS = get_args(specs.Precision)
"""Of the arithmetic: bf16 where OpenVINO says that the CPU has it, else single; or single whatever the CPU has.

What a file does in int8 stays so: `film.published.choose` does not choose such a file where single is wanted.

ONNX Runtime always works in single precision.
"""


class NetworkError(SafelightError, RuntimeError):
    """The network cannot be loaded or was given the wrong tensors."""


@dataclass(frozen=True)
class Network:
    """A loaded network, called with its inputs by name: one array each, batch first, any number of pictures.

    ``inputs`` and ``outputs`` give each tensor's element type and its shape without the batch, as in
    ``numpy.dtype((numpy.uint8, (700, 700, 3)))``. Rows come back in the order they went in. Calls from several threads
    take turns.
    """

    runtime: str
    streams: int
    inputs: Layout
    outputs: Layout
    _run: RunBatch
    _turn: threading.Lock

    def __call__(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Run every picture; raise NetworkError where a tensor is missing or has another shape or type."""
        count = self._check(inputs)
        outputs = {name: np.empty((count, *kind.shape), kind.base) for name, kind in self.outputs.items()}
        with self._turn:
            self._run({name: np.ascontiguousarray(inputs[name]) for name in self.inputs}, outputs)
        return outputs

    def _check(self, inputs: Tensors) -> int:
        if set(inputs) != set(self.inputs):
            raise NetworkError(f"The network takes {sorted(self.inputs)}, not {sorted(inputs)}.")
        count = {len(value) if value.ndim else 0 for value in inputs.values()}
        if len(count) > 1:
            raise NetworkError(f"Every input of the network needs as many pictures as the others, not {sorted(count)}.")
        for name, kind in self.inputs.items():
            if inputs[name].shape[1:] != kind.shape or inputs[name].dtype != kind.base:
                raise NetworkError(
                    f"{name} has {inputs[name].dtype} pictures of {inputs[name].shape[1:]}; "
                    f"the network takes {kind.base} of {kind.shape}."
                )
        return count.pop()


def load_network(
    model_file: Path, *, runtime: str = "auto", streams: int = 0, threads: int = 0, precision: str = "auto"
) -> Network:
    """Load an ONNX file, or an .xml of OpenVINO, whose tensors all have the batch first and are else of fixed size.

    ``runtime`` is one of ``RUNTIMES``, or ``auto`` for the first that is installed. ``streams`` is how many pictures
    are worked on at a time; 0 is one for every core that this process has time for. ``threads`` is how many all
    streams have together; 0 is one for each. ``precision`` is one of ``PRECISIONS``.
    Raises NetworkError.
    """
    if not model_file.is_file():
        raise NetworkError(f"{model_file} is missing: publish the network with `make export`.")
    if runtime == "auto":
        runtime = next((name for name in RUNTIMES if importlib.util.find_spec(name)), "")
    if model_file.suffix == ".xml" and runtime != "openvino":
        raise NetworkError(f"{model_file} is a file for OpenVINO, and runtime is {runtime or 'none'}: set openvino.")
    if precision not in PRECISIONS:
        raise NetworkError(f"There is no precision {precision!r}; it is one of {', '.join(PRECISIONS)}.")
    load = {"openvino": _openvino, "onnxruntime": _onnxruntime}.get(runtime)
    if load is None or not importlib.util.find_spec(runtime):
        raise NetworkError(
            f"No runtime {runtime or 'for networks'} is installed: `pip install openvino` (or `onnxruntime`)."
        )
    try:
        streams = streams or usable()
        return load(model_file, streams, threads or streams, precision)
    except Exception as error:  # each runtime has exceptions of its own, not all of them RuntimeErrors
        raise NetworkError(f"{model_file} cannot be loaded by {runtime}: {error}") from error


def _openvino(model_file: Path, streams: int, threads: int, precision: str) -> Network:
    import openvino as ov

    core = ov.Core()
    model = core.read_model(model_file)
    # A fixed batch of one lets OpenVINO plan its memory and choose its kernels once, when it loads.
    model.reshape({port.any_name: [1, *list(port.partial_shape)[1:]] for port in model.inputs})
    half = precision == "auto" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    settings = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "NUM_STREAMS": str(streams),
        "INFERENCE_NUM_THREADS": str(threads),
        "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
    }
    compiled = core.compile_model(model, "CPU", settings)
    queue = ov.AsyncInferQueue(compiled, streams)

    def keep(request: Any, slot: tuple[Tensors, int]) -> None:
        outputs, row = slot
        for name, rows in outputs.items():
            rows[row] = request.get_tensor(name).data[0]

    def run(inputs: Tensors, outputs: Tensors) -> None:
        for row in range(len(next(iter(inputs.values())))):
            one = {name: value[row : row + 1] for name, value in inputs.items()}
            queue.start_async(one, (outputs, row), share_inputs=True)
        queue.wait_all()

    queue.set_callback(keep)
    taken, given = (
        {port.any_name: np.dtype((port.element_type.to_dtype(), tuple(port.shape)[1:])) for port in ports}
        for ports in (compiled.inputs, compiled.outputs)
    )
    return Network("openvino", streams, taken, given, run, threading.Lock())


_ONNXRUNTIME_TYPES = {"tensor(uint8)": np.uint8, "tensor(bool)": np.bool_, "tensor(float)": np.float32}


def _onnxruntime(model_file: Path, streams: int, threads: int, _precision: str) -> Network:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = max(1, threads // streams)
    session = ort.InferenceSession(str(model_file), options, providers=["CPUExecutionProvider"])
    pool = ThreadPoolExecutor(streams, thread_name_prefix="network")
    names = [port.name for port in session.get_outputs()]

    def run(inputs: Tensors, outputs: Tensors) -> None:
        def one(row: int) -> None:
            results = session.run(names, {name: value[row : row + 1] for name, value in inputs.items()})
            for name, result in zip(names, results, strict=True):
                outputs[name][row] = result[0]

        list(pool.map(one, range(len(next(iter(inputs.values()))))))

    taken, given = (
        {port.name: np.dtype((_ONNXRUNTIME_TYPES[port.type], tuple(port.shape)[1:])) for port in ports}
        for ports in (session.get_inputs(), session.get_outputs())
    )
    return Network("onnxruntime", streams, taken, given, run, threading.Lock())

"""What all peers have in common: pixels by Pillow, the network, and what the runner wants of them.

A peer's own Python runs this, so nothing of ours is imported here. A peer differs from another only in its own file.
"""

import io
import json
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Network = Callable[[Sequence[Pixels]], list[list[float]]]
"""Pictures, uint8 (size, size, 3) -> for each the probabilities of its two labels."""

_wanted = json.loads(os.environ.get("PEER", "{}"))
RUNTIME: str = _wanted.get("runtime", "torch")
"""torch, keras or openvino."""
FILE: str = _wanted.get("file", "")
SIZE: int = _wanted.get("size", 0)
"""Side of the square that the network sees, in pixels."""
PRECISION: str = _wanted.get("precision", "f32")
"""auto is bf16 where OpenVINO says that the processor has it."""
WORKERS: int = _wanted.get("workers", 1)
THREADS: int = _wanted.get("threads", 1)
"""Of a worker's network."""
BATCH: int = _wanted.get("batch", 1)
HOST = "127.0.0.1"
PORT: int = _wanted.get("port", 0)
MORE_PORTS: list[int] = _wanted.get("more_ports", [])
"""Free ones, for whatever else a server listens to."""
FOLDER: str = _wanted.get("folder", "")
"""An empty one for what a server needs on the disk; it goes when the server has gone."""
TIMEOUT = 300
"""Seconds that a server may take for a request; none of them shall give up under 32 users."""


def read(picture: bytes) -> Pixels:
    """An encoded picture as the network sees it: the centred square, Lanczos."""
    with Image.open(io.BytesIO(picture)) as opened:
        return fit(opened)


def fit(image: Image.Image) -> Pixels:
    """The same of an opened picture."""
    width, height = image.size
    side = min(width, height)
    left, top = round((width - side) / 2), round((height - side) / 2)
    box = (left, top, round((width + side) / 2), round((height + side) / 2))
    return np.asarray(image.convert("RGB").crop(box).resize((SIZE, SIZE), Image.Resampling.LANCZOS))


def load() -> Network:
    """The network in the runtime that was asked for."""
    return {"torch": _torch, "keras": _keras, "openvino": _openvino}[RUNTIME]()


def _torch() -> Network:
    import torch

    torch.set_num_threads(THREADS)
    network: Any = torch.jit.load(FILE)  # type: ignore[no-untyped-call]

    def run(pictures: Sequence[Pixels]) -> list[list[float]]:
        with torch.inference_mode():
            outputs = network(torch.from_numpy(np.stack(pictures)), torch.ones(len(pictures), 1, dtype=torch.bool))
        scores: list[list[float]] = (outputs[0] if isinstance(outputs, tuple) else outputs).tolist()
        return scores

    return run


def _keras() -> Network:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import torch

    torch.set_num_threads(THREADS)
    network = keras.saving.load_model(FILE)

    def run(pictures: Sequence[Pixels]) -> list[list[float]]:
        film = network.predict(np.stack(pictures).astype(np.float32) / 255, verbose=0)
        return [[1 - float(one), float(one)] for one in film[:, 0]]

    return run


def _openvino() -> Network:
    """With the settings that Safelight serves it with: a picture an inference, as many at a time as threads."""
    import openvino as ov

    core = ov.Core()
    model = core.read_model(FILE)
    model.reshape({port.any_name: [1, *list(port.partial_shape)[1:]] for port in model.inputs})
    half = PRECISION == "auto" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "NUM_STREAMS": str(THREADS),
        "INFERENCE_NUM_THREADS": str(THREADS),
        "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
        # Pinned, the first stream of every process gets core 0: all workers' networks would share that one.
        "ENABLE_CPU_PINNING": WORKERS == 1,
    }
    turn = threading.Lock()
    queue = ov.AsyncInferQueue(core.compile_model(model, "CPU", settings), THREADS)

    def keep(request: Any, slot: tuple[list[list[float]], int]) -> None:
        scores, row = slot
        scores[row] = request.get_tensor("SCORES").data[0].tolist()

    queue.set_callback(keep)
    valid = np.ones((1, 1), bool)

    def run(pictures: Sequence[Pixels]) -> list[list[float]]:
        scores: list[list[float]] = [[]] * len(pictures)
        for row, picture in enumerate(pictures):
            with turn:  # two threads of a server could be given the same idle request
                queue.start_async({"PIXELS": picture[None], "VALID": valid}, (scores, row))
        queue.wait_all()
        return scores

    return run

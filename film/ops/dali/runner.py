"""Runs DALI graphs from Python: for the tests of the twin, and where the server has no DALI backend."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from nvidia.dali import fn, pipeline_def, types
from nvidia.dali.data_node import DataNode

from film import specs
from film.ops.dali import graphs

_Operation = Callable[[DataNode, DataNode], DataNode]
"""A picture and its height and width, to another picture."""


class Runner:
    """A pipeline with the one input ``ENCODED``, called with the rows of a batch."""

    def __init__(self, define: graphs.Definition) -> None:
        self._pipeline = define()
        self._pipeline.build()

    def __call__(self, rows: Sequence[NDArray[np.uint8]]) -> tuple[Any, ...]:
        """DALI's lists of tensors, one an output, where the pipeline left them; RuntimeError where a row is no picture.

        They stay valid as long as they are held, for DALI's executor gives every run buffers of its own.
        """
        self._pipeline.feed_input(specs.ENCODED.name, list(rows))
        outputs: tuple[Any, ...] = self._pipeline.run()
        return outputs


class Twin:
    """The operations on pictures in memory, one at a time, with the signatures of `film.ops.reference`."""

    def __init__(self, device: graphs.Device = "cpu", device_id: int | None = graphs.NO_DEVICE) -> None:
        self._device, self._device_id = device, device_id
        self._built: dict[tuple[object, ...], Runner] = {}

    def crop_resize(self, image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
        """As `reference.crop_resize`."""
        return self._run(("crop_resize", size), lambda pixels, extent: graphs.crop_resize(pixels, extent, size), image)

    def invert_negative(self, image: NDArray[np.uint8], gamma: float = 1.0) -> NDArray[np.uint8]:
        """As `reference.invert_negative`."""
        return self._run(("invert", gamma), lambda pixels, extent: graphs.invert_negative(pixels, extent, gamma), image)

    def _run(self, name: tuple[object, ...], operation: _Operation, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if name not in self._built:
            self._built[name] = Runner(self._pipeline(operation))
        (result,) = self._built[name]([np.ascontiguousarray(image)])
        return np.array(result.as_cpu()[0])

    def _pipeline(self, operation: _Operation) -> graphs.Definition:
        @pipeline_def(  # type: ignore[untyped-decorator]
            batch_size=1, num_threads=1, device_id=self._device_id, prefetch_queue_depth=1
        )
        def graph() -> DataNode:
            pixels = fn.external_source(name=specs.ENCODED.name, dtype=types.UINT8, ndim=3, layout="HWC")
            extent = pixels.shape(dtype=types.INT64)[:2]
            return operation(pixels.gpu() if self._device == "gpu" else pixels, extent)

        definition: graphs.Definition = graph
        return definition

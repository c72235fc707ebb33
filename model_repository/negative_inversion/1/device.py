"""Colour negatives in, their positives out, on the device of this instance."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from film import device, specs
from film.device_preprocess import DeviceInversion
from film.processors import usable


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        pool = ThreadPoolExecutor(usable())  # encoders let go of the interpreter's lock
        self.invert = DeviceInversion(device.of_instance(args), pool.map)

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        images = pb_utils.get_input_tensor_by_name(request, specs.IMAGE.name).as_numpy()
        positives, errors = zip(*self.invert(images.ravel()), strict=True)
        outputs = {specs.POSITIVE.name: positives, specs.ERROR.name: [error.encode() for error in errors]}
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, np.array(values, np.object_).reshape(-1, 1)) for name, values in outputs.items()]
        )

"""The gate of the ensemble whose name this model's begins with: nothing goes on to DALI that could fail its batch."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from film import specs
from film.gate import gate
from film.processors import usable


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self.spec = specs.classifier(args["model_name"])
        self.pool = ThreadPoolExecutor(usable())  # decoders let go of the interpreter's lock

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        images = pb_utils.get_input_tensor_by_name(request, specs.IMAGE.name).as_numpy()
        gated = gate(images.ravel(), self.spec.size, self.pool.map)
        errors = np.array([[error.encode()] for error in gated.errors], np.object_)
        tensors = {specs.ENCODED: gated.encoded, specs.VALID: gated.valid, specs.ERROR: errors}
        return pb_utils.InferenceResponse([pb_utils.Tensor(spec.name, value) for spec, value in tensors.items()])

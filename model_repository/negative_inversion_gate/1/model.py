"""The gate of negative_inversion: nothing goes on to DALI that could fail its batch or fill its memory."""

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from film import specs
from film.gate import gate_negatives


class TritonPythonModel:
    def execute(self, requests: list[Any]) -> list[Any]:
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        images = pb_utils.get_input_tensor_by_name(request, specs.IMAGE.name).as_numpy()
        gated = gate_negatives(images.ravel())
        tensors = {
            specs.ENCODED: gated.encoded,
            specs.VALID: gated.valid,
            specs.DONE: np.array(gated.done, np.object_).reshape(-1, 1),
            specs.ERROR: np.array([[error.encode()] for error in gated.errors], np.object_),
        }
        return pb_utils.InferenceResponse([pb_utils.Tensor(spec.name, value) for spec, value in tensors.items()])

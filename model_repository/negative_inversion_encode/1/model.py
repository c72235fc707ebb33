"""Last step of negative_inversion: DALI's positives to JPEGs, which DALI cannot write."""

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from film import specs
from film.gate import finish

INPUTS = (specs.PADDED, specs.EXTENT, specs.VALID, specs.DONE)


class TritonPythonModel:
    def execute(self, requests: list[Any]) -> list[Any]:
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        padded, extents, valid, done = (
            pb_utils.get_input_tensor_by_name(request, spec.name).as_numpy() for spec in INPUTS
        )
        positives = finish(padded, extents, valid, done.ravel())
        answer = np.array(positives, np.object_).reshape(-1, 1)
        return pb_utils.InferenceResponse([pb_utils.Tensor(specs.POSITIVE.name, answer)])

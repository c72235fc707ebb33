"""Colour negatives in, their positives out."""

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from film import specs
from film.heap import give_back_every
from film.preprocess import invert


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self.finalize = give_back_every()

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        images = pb_utils.get_input_tensor_by_name(request, specs.IMAGE.name).as_numpy()
        answers = invert(images.ravel(), wanted=lambda: not request.is_cancelled())
        if len(answers) < len(images):
            reason = pb_utils.TritonError("the request was cancelled", pb_utils.TritonError.CANCELLED)
            return pb_utils.InferenceResponse(error=reason)
        positives, errors = zip(*answers, strict=True)
        outputs = {specs.POSITIVE.name: positives, specs.ERROR.name: [error.encode() for error in errors]}
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, np.array(values, np.object_).reshape(-1, 1)) for name, values in outputs.items()]
        )

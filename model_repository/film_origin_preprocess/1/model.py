"""Preprocessing step of the ensemble whose name this model's begins with."""

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from film import specs
from film.preprocess import preprocess


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self.spec = specs.classifier(args["model_name"])

    def execute(self, requests: list[Any]) -> list[Any]:
        images = [pb_utils.get_input_tensor_by_name(request, specs.IMAGE.name).as_numpy() for request in requests]
        done = preprocess([blob for image in images for blob in image.ravel()], self.spec.size)
        tensors = {
            self.spec.pixels.name: done.pixels,
            specs.VALID.name: done.valid,
            specs.ERROR.name: np.array([error.encode() for error in done.errors], np.object_).reshape(-1, 1),
        }
        responses, start = [], 0
        for image in images:
            rows = slice(start, start := start + len(image))
            outputs = [pb_utils.Tensor(name, tensor[rows]) for name, tensor in tensors.items()]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses

"""Preprocessing step of the ensemble whose name this model's begins with, on the device of its instance."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from film import device, specs
from film.device_preprocess import DevicePreprocess


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self.spec = specs.classifier(args["model_name"])
        pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))  # decoders let go of the interpreter's lock
        self.preprocess = DevicePreprocess(self.spec.size, device.of_instance(args), pool.map)

    def execute(self, requests: list[Any]) -> list[Any]:
        images = [pb_utils.get_input_tensor_by_name(request, specs.IMAGE.name).as_numpy() for request in requests]
        done = self.preprocess([blob for image in images for blob in image.ravel()])
        errors = np.array([[error.encode()] for error in done.errors], np.object_)
        responses, start = [], 0
        for image in images:
            rows = slice(start, start := start + len(image))
            outputs = [
                pb_utils.Tensor.from_dlpack(self.spec.pixels.name, done.pixels[rows]),
                pb_utils.Tensor(specs.VALID.name, done.valid[rows]),
                pb_utils.Tensor(specs.ERROR.name, errors[rows]),
            ]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses

"""Preprocessing step of the ensemble whose name this model's begins with."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from film import specs
from film.heap import give_back_every
from film.preprocess import preprocess
from film.processors import usable


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        os.nice(10)  # the network goes first: what is decoded sooner than it can be judged waits past any refusal
        self.spec = specs.classifier(args["model_name"])
        self.pool = ThreadPoolExecutor(usable())
        self.finalize = give_back_every()

    def execute(self, requests: list[Any]) -> list[Any]:
        images = [pb_utils.get_input_tensor_by_name(request, specs.IMAGE.name).as_numpy() for request in requests]
        blobs = [blob for image in images for blob in image.ravel()]
        done = preprocess(blobs, self.spec.size, self.pool.map)
        tensors = {
            self.spec.pixels.name: done.pixels,
            specs.VALID.name: done.valid,
            specs.ERROR.name: np.array([[error.encode()] for error in done.errors], np.object_),
        }
        responses, start = [], 0
        for image in images:
            rows = slice(start, start := start + len(image))
            outputs = [pb_utils.Tensor(name, tensor[rows]) for name, tensor in tensors.items()]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses

"""Both steps of the classifier that this model is called as, on the device of its instance."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from film import device, specs
from film.device_classifier import DeviceClassifier
from film.processors import usable


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        spec = specs.classifier(args["model_name"])
        folder = Path(args["model_repository"]).parent / spec.network_model / args["model_version"]
        said = {name: value["string_value"] for name, value in json.loads(args["model_config"])["parameters"].items()}
        pool = ThreadPoolExecutor(usable())  # decoders let go of the interpreter's lock
        threads, recorded = int(said.get("threads", 0)) or specs.DALI_THREADS, said.get("recorded") == "true"
        where = device.of_instance(args)
        self.classify = DeviceClassifier(spec, folder, said["file"], where, pool.map, threads, recorded)
        log = pb_utils.Logger.log_warn if self.classify.slower else pb_utils.Logger.log_info
        log(f"{args['model_name']} serves {self.classify.file.name}{self.classify.slower}")

    def execute(self, requests: list[Any]) -> list[Any]:
        images = [pb_utils.get_input_tensor_by_name(request, specs.IMAGE.name).as_numpy() for request in requests]
        judged = self.classify([blob for image in images for blob in image.ravel()])
        errors = np.array([[error.encode()] for error in judged.errors], np.object_)
        responses, start = [], 0
        for image in images:
            rows = slice(start, start := start + len(image))
            outputs = [pb_utils.Tensor(name, values[rows]) for name, values in judged.outputs.items()]
            outputs.append(pb_utils.Tensor(specs.ERROR.name, errors[rows]))
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses

"""Network step of the ensemble whose name this model's begins with, on the device of its instance."""

import json
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from film import device, specs
from film.torch_network import load_torch_network


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        file = json.loads(args["model_config"])["parameters"]["file"]["string_value"]
        model_file = Path(args["model_repository"], args["model_version"], file)
        self.network = load_torch_network(model_file, specs.classifier(args["model_name"]), device.of_instance(args))

    def execute(self, requests: list[Any]) -> list[Any]:
        inputs = {
            name: [pb_utils.get_input_tensor_by_name(request, name) for request in requests]
            for name in self.network.inputs
        }
        tensors = self.network(inputs)
        responses, start = [], 0
        for part in inputs[specs.VALID.name]:
            rows = slice(start, start := start + part.shape()[0])
            outputs = [pb_utils.Tensor.from_dlpack(name, tensor[rows]) for name, tensor in tensors.items()]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses

"""Network step of the ensemble whose name this model's begins with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from film.network import load_network
from film.published import choose


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        settings: dict[str, Any] = {
            key: value["string_value"] for key, value in json.loads(args["model_config"])["parameters"].items()
        }
        folder = Path(args["model_repository"], args["model_version"])
        how = {key: settings[key] for key in ("runtime", "precision") if key in settings}
        model_file = choose(folder, settings.pop("file"), **how)
        for number in {"streams", "threads"} & set(settings):
            settings[number] = int(settings[number])
        self.network = load_network(model_file, **settings)
        pb_utils.Logger.log_info(f"{args['model_name']} serves {model_file.name} in {self.network.runtime}")

    def execute(self, requests: list[Any]) -> list[Any]:
        inputs = {
            name: [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for request in requests]
            for name in self.network.inputs
        }
        tensors = self.network({name: np.concatenate(rows) for name, rows in inputs.items()})
        responses, start = [], 0
        for part in next(iter(inputs.values())):
            rows = slice(start, start := start + len(part))
            outputs = [pb_utils.Tensor(name, tensor[rows]) for name, tensor in tensors.items()]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses

"""Triton's PyTorch backend in Python: TorchScript, inputs matched by the names of forward's arguments."""

import json
from pathlib import Path
from typing import Any

import torch
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        assert config["platform"] == "pytorch_libtorch"
        file = Path(args["model_repository"], args["model_version"], config["default_model_filename"])
        self.module = torch.jit.load(str(file), map_location="cpu")
        self.arguments = [argument.name for argument in self.module.forward.schema.arguments[1:]]
        self.outputs = config["output"]
        assert sorted(self.arguments) == sorted(tensor["name"] for tensor in config["input"]), self.arguments

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        arguments = [
            torch.from_numpy(pb_utils.get_input_tensor_by_name(request, name).as_numpy()) for name in self.arguments
        ]
        with torch.inference_mode():
            results = self.module(*arguments)
        results = results if isinstance(results, tuple) else (results,)
        tensors = [
            pb_utils.Tensor(output["name"], result.numpy())
            for output, result in zip(self.outputs, results, strict=True)
        ]
        return pb_utils.InferenceResponse(tensors)

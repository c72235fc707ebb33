"""Triton's DALI backend in Python, on a machine without a CUDA driver."""

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from nvidia.dali import Pipeline, types

# What the backend runs to serialise a pipeline, in the python3 that is on PATH.
SERIALISE = """
import importlib.util, sys
from nvidia.dali._utils.autoserialize import invoke_autoserialize
spec = importlib.util.spec_from_file_location('autoserialize_mod', sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules['autoserialize_mod'] = module
spec.loader.exec_module(module)
invoke_autoserialize(module, sys.argv[2])
"""
TYPES = {types.UINT8: "TYPE_UINT8", types.INT64: "TYPE_INT64"}


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        assert args["model_instance_kind"] == "CPU", "there is no GPU here"
        definition = Path(args["model_repository"], args["model_version"], config["default_model_filename"])
        assert re.fullmatch(r"[A-Za-z0-9/._]+", str(definition)), f"{definition} has a forbidden character"
        assert ".." not in str(definition), f"{definition} goes up"
        with tempfile.NamedTemporaryFile(suffix=".dali") as file:
            subprocess.run(["python3", "-c", SERIALISE, str(definition), file.name], check=True)
            self.pipeline = Pipeline.deserialize(
                filename=file.name,
                batch_size=config["max_batch_size"],
                num_threads=int(config["parameters"]["num_threads"]["string_value"]),
                device_id=None,
                prefetch_queue_depth=1,
            )
        self.pipeline.build()
        (self.input,) = [tensor["name"] for tensor in config["input"]]
        self.outputs = [tensor["name"] for tensor in config["output"]]
        declared = [(t["data_type"], len(t["dims"])) for t in config["output"]]
        given = zip(self.pipeline.output_dtype(), self.pipeline.output_ndim(), strict=True)
        assert declared == [(TYPES[dtype], ndim) for dtype, ndim in given], "output_dtype and output_ndim"

    def execute(self, requests: list[Any]) -> list[Any]:
        assert len(requests) == 1, "without a CUDA driver the backend cannot join requests"
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        asked = set(request.requested_output_names())
        assert asked == set(self.outputs), f"the backend gives all of {self.outputs} or nothing, not {asked}"
        rows = pb_utils.get_input_tensor_by_name(request, self.input).as_numpy()
        self.pipeline.feed_input(self.input, list(rows))
        results = self.pipeline.run()
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor(name, np.ascontiguousarray(result.as_array()))
                for name, result in zip(self.outputs, results, strict=True)
            ]
        )

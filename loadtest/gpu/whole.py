"""Encoded pictures to answers in one process, with no server: what the profile ``cuda`` could do at most.

Each of those side by side decodes and judges its own batches, as an instance of the server's does, but all share one
process and so one context on the GPU.
"""

from collections.abc import Callable, Sequence

import torch

from film.device_classifier import DeviceClassifier, Judged
from film.specs import ModelSpec
from loadtest.gpu.decode import Decode, Decoder
from loadtest.gpu.results import Plan
from serving.composed import read_configs

AT_A_TIME = (1, 2)
PROFILE = "cuda"
"""Whose files and settings these are."""


def classifiers(plan: Plan) -> tuple[Decoder, ...]:
    """Ways to classify on the plan's device: so many at a time."""
    return tuple(Decoder(f"{count} at a time", lambda spec: _open(plan, spec), count) for count in AT_A_TIME)


def setting(plan: Plan, spec: ModelSpec, name: str) -> str:
    """What the profile's configuration of a classifier says under ``name``, a parameter."""
    text: str = read_configs(plan.repository, PROFILE)[spec.name].parameters[name].string_value
    return text


def _open(plan: Plan, spec: ModelSpec) -> Decode:
    device, files = plan.device, setting(plan, spec, "file")
    where = f"cuda:{device.index or 0}" if device.type == "cuda" else str(device)
    threads, recorded = int(setting(plan, spec, "threads")), setting(plan, spec, "recorded") == "true"
    classify = DeviceClassifier(spec, plan.folder(spec), files, where, map, threads, recorded)
    return _all_good(classify, device)


def _all_good(classify: Callable[[Sequence[bytes]], Judged], device: torch.device) -> Decode:
    def run(blobs: Sequence[bytes]) -> Judged:
        if device.type == "cuda":
            torch.cuda.set_device(device)  # of this thread
        judged = classify(blobs)
        if any(judged.errors):
            raise ValueError(f"a picture could not be judged: {next(filter(None, judged.errors))}")
        return judged

    return run

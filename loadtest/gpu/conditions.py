"""What a run was of: the machine, its versions, the commit, and what was asked for."""

from collections.abc import Sequence
from importlib.metadata import distributions
from typing import Any

import torch

from loadtest import machine
from loadtest.gpu.results import Plan
from loadtest.limits.record import described

MADE_BY = ("nvidia-dali", "tensorrt", "triton")
"""Packages beside torch that have a hand in it, by how the names of their distributions begin."""


def conditions(plan: Plan, pictures: str, blobs: Sequence[bytes]) -> dict[str, Any]:
    """Plain values; ``blobs`` are the pictures of the folder ``pictures``."""
    return {
        **machine.facts(),
        "driver": machine.driver(),
        "libraries": libraries(),
        "device": str(plan.device),
        "profile": plan.profile,
        "seconds": plan.seconds,
        "batches of networks": list(plan.batches),
        "batch of all else": plan.batch,
        "clients": plan.clients,
        "overlay": plan.overlay.read_text(encoding="utf-8") if plan.overlay else "",
        "repository": str(plan.repository),
        "pictures": described(pictures, blobs),
    }


def libraries() -> dict[str, str]:
    """Versions of what computes and decodes here."""
    found = {"torch": str(torch.__version__), "cuda": str(torch.version.cuda)}
    found["cudnn"] = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
    for package in distributions():
        name = (package.metadata["Name"] or "").lower()
        if name.startswith(MADE_BY):
            found[name] = package.version
    return found

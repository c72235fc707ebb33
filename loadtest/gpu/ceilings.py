"""The device's own limits, measured in the same run as what is compared with them."""

from dataclasses import dataclass

import torch

from loadtest.gpu.timing import seconds_each


@dataclass(frozen=True)
class Ceilings:
    """``copy`` is memory traffic on the device, read and written, in bytes/s; ``upload`` from pinned host memory to it.

    ``matrix`` is floating-point operations/s of a large product, two for each multiply-add, by precision.
    """

    copy: float
    upload: float
    matrix: dict[str, float]


PRECISIONS = {"f32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def measure(device: torch.device, seconds: float) -> Ceilings:
    """The limits of ``device``, in about ``seconds``. On a CPU the upload is a copy like the other."""
    cuda = device.type == "cuda"
    elements = 2**28 if cuda else 2**25  # a gigabyte, far beyond every cache
    source = torch.ones(elements, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    share = seconds / (2 + len(PRECISIONS))
    copy = 2 * 4 * elements / seconds_each(lambda: target.copy_(source), device, share)
    host = torch.ones(elements // 4, dtype=torch.float32, pin_memory=cuda)
    part = target[: elements // 4]
    upload = elements / seconds_each(lambda: part.copy_(host, non_blocking=True), device, share)
    matrix = {}
    for name, kind in PRECISIONS.items():
        if name in ("f32", "bf16") or cuda:
            matrix[name] = _matrix_rate(device, kind, name == "tf32", share)
    return Ceilings(copy, upload, matrix)


def _matrix_rate(device: torch.device, kind: torch.dtype, tf32: bool, seconds: float) -> float:
    side = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    try:
        return 2 * side**3 / seconds_each(lambda: a @ b, device, seconds)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before

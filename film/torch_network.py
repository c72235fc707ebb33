"""Runs a published TorchScript network on a device; tensors come and go where they are (DLPack)."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from film import specs
from film.network import NetworkError

CPU_BATCH = 4
"""Pictures a run on the CPU: its caches hold no more, and a batch of 64 would need gigabytes."""


@contextmanager
def true_to(precision: str) -> Iterator[None]:
    """Within it PyTorch computes "f32" in that, without the TF32 that cuDNN would use by itself; all else as it would
    anyway. The settings are the process's, and are put back."""
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    if precision == "f32":  # ten bits of mantissa are no single precision
        matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


class TorchNetwork:
    """A loaded network, called with its inputs by name: torch tensors or anything with DLPack, batch first."""

    def __init__(self, spec: specs.ModelSpec, module: Any, device: str) -> None:
        self.inputs = (spec.pixels.name, specs.VALID.name)
        self._outputs = [output.name for output in spec.outputs]
        self._module, self._device, self._spec = module, device, spec
        self._batch = CPU_BATCH if device == "cpu" else specs.MAX_BATCH

    def __call__(self, inputs: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Run every picture of every part, parts of a batch as they came in; each output whole, on the device."""
        import torch
        from torch.utils.dlpack import from_dlpack

        tensors = [torch.cat([from_dlpack(part).to(self._device) for part in inputs[name]]) for name in self.inputs]
        with torch.inference_mode(), true_to(self._spec.precision):
            runs = [
                self._run(*rows) for rows in zip(*(torch.split(tensor, self._batch) for tensor in tensors), strict=True)
            ]
        return {name: torch.cat(rows) for name, rows in zip(self._outputs, zip(*runs, strict=True), strict=True)}

    def _run(self, pixels: Any, valid: Any) -> tuple[Any, ...]:
        outputs = self._module(pixels, valid.bool())
        rows = outputs if isinstance(outputs, tuple) else (outputs,)
        return tuple(row.contiguous() for row in rows)  # Triton takes no other


def load_torch_network(model_file: Path, spec: specs.ModelSpec, device: str) -> TorchNetwork:
    """Load a classifier's TorchScript file onto ``cpu`` or ``cuda:0`` and so on; NetworkError where it cannot be."""
    if not model_file.is_file():
        raise NetworkError(f"{model_file} is missing: export it with `make export`.")
    try:
        import torch

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated; Triton's own backend takes nothing else either
            module = torch.jit.load(str(model_file), map_location=device).eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ImportError) as error:
        raise NetworkError(f"{model_file} cannot be loaded on {device}: {error}") from error
    return TorchNetwork(spec, module, device)

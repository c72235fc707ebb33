"""Runs a published PyTorch network on a device: TorchScript, which runs anywhere, or PT2, code of one device."""

import ctypes
import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from film import specs
from film.network import NetworkError
from film.published import COMPILED_SUFFIX, cpu_flags
from film.recorded import Network, Recorded

CPU_BATCH = 4
"""Pictures a run on the CPU: its caches hold no more, and a batch of 64 would need gigabytes."""


class _SinglePrecision:
    """How many are within `single_precision`, and what the process's settings were before the first."""

    def __init__(self) -> None:
        self._changing, self._within, self._before = Lock(), 0, (False, False)

    def enter(self, matmul: Any, cudnn: Any) -> None:
        with self._changing:
            if not self._within:
                self._before = matmul.allow_tf32, cudnn.allow_tf32
                matmul.allow_tf32 = cudnn.allow_tf32 = False  # ten bits of mantissa are no single precision
            self._within += 1

    def leave(self, matmul: Any, cudnn: Any) -> None:
        with self._changing:
            self._within -= 1
            if not self._within:
                matmul.allow_tf32, cudnn.allow_tf32 = self._before


_SINGLE = _SinglePrecision()


@contextmanager
def single_precision() -> Iterator[None]:
    """Within it PyTorch computes f32 in that, without the TF32 that cuDNN would use by itself. The settings are the
    process's, and are put back when nobody is within it any more, in whatever thread."""
    import torch

    settings = torch.backends.cuda.matmul, torch.backends.cudnn
    _SINGLE.enter(*settings)
    try:
        yield
    finally:
        _SINGLE.leave(*settings)


@contextmanager
def as_it_stands() -> Iterator[None]:
    """Within it networks run without gradients, and TorchScript without its compiler, which would take seconds at each
    new size of a batch."""
    import torch

    with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        yield


@contextmanager
def as_served() -> Iterator[None]:
    """Within it networks run as a server runs them: as they stand, and in single precision where they are in f32."""
    with as_it_stands(), single_precision():
        yield


def compiled_for(device: str) -> str:
    """What a PT2 file must have been compiled for to run on ``device``: the processor, and PyTorch's version.

    A CPU by a digest of all that it can: compilers use more of it than the widest registers, which torch names.
    """
    import torch

    if torch.device(device).type == "cuda":
        processor = torch.cuda.get_device_name(device)
    else:
        abilities = hashlib.sha256(" ".join(sorted(cpu_flags())).encode()).hexdigest()[:8]
        processor = f"CPU with {torch.backends.cpu.get_cpu_capability()}, flags {abilities}"
    return f"{processor}, torch {torch.__version__}"


def example(spec: specs.ModelSpec, device: str, batch: int = 1) -> tuple[Any, Any]:
    """PIXELS and VALID of ``batch`` black pictures on ``device``."""
    import torch

    pixels = torch.zeros(batch, *spec.pixels.shape, dtype=torch.uint8, device=device)
    return pixels, torch.ones(batch, *specs.VALID.shape, dtype=torch.bool, device=device)


class TorchNetwork:
    """A loaded network, called by one thread at a time. Its tensors are torch's, on its device, batch first.

    On a GPU it is ``recorded`` if that is asked for and it can be; ``unrecorded`` says why it was not.
    """

    def __init__(self, spec: specs.ModelSpec, module: Any, device: str, recorded: bool = False) -> None:
        self._outputs = [output.name for output in spec.outputs]
        self._module, self._batch = module, CPU_BATCH if device == "cpu" else specs.MAX_BATCH
        self.unrecorded = ""
        self._run: Network = self._launch
        if recorded and device != "cpu":
            self._record(spec, device)

    def __call__(self, pixels: Any, valid: Any) -> dict[str, Any]:
        """UINT8 ``pixels`` (n, size, size, 3) and BOOL ``valid`` (n, 1) to each output by its name."""
        import torch

        parts = (torch.split(tensor, self._batch) for tensor in (pixels, valid))
        with as_served():
            runs = [self._run(*rows) for rows in zip(*parts, strict=True)]
        return {name: torch.cat(rows) for name, rows in zip(self._outputs, zip(*runs, strict=True), strict=True)}

    def check_recorded(self) -> None:
        """NetworkError where what is recorded answers otherwise than what is launched."""
        if isinstance(self._run, Recorded):
            try:
                with as_served():
                    self._run.check(self._launch)
            except AssertionError as error:
                raise NetworkError(f"its recording is wrong: {error}") from error

    def _record(self, spec: specs.ModelSpec, device: str) -> None:
        import torch

        with as_served():
            one = example(spec, device)
            self._launch(*one)  # what cannot run at all is no matter of recording
            try:
                self._run = Recorded(self._launch, spec, device)
            except RuntimeError as error:
                self.unrecorded = str(error).partition("\n")[0] or type(error).__name__
            if self.unrecorded:  # when the error is gone, which held what had been recorded
                torch.cuda.empty_cache()  # DALI could not use it

    def _launch(self, pixels: Any, valid: Any) -> tuple[Any, ...]:
        outputs = self._module(pixels, valid)
        return tuple(outputs) if isinstance(outputs, list | tuple) else (outputs,)


def load_torch_network(model_file: Path, spec: specs.ModelSpec, device: str, recorded: bool = False) -> TorchNetwork:
    """Load a TorchScript or PT2 file onto ``cpu``, ``cuda:0`` and so on; NetworkError where it cannot be.

    ``recorded`` asks for recordings, which a GPU is then launched with.
    """
    if not model_file.is_file():
        raise NetworkError(f"{model_file} is missing: export it with `make export`.")
    try:
        return TorchNetwork(spec, load_module(model_file, device), device, recorded)
    except (RuntimeError, ImportError, OSError) as error:
        raise NetworkError(f"{model_file} cannot be loaded on {device}: {error}") from error


@contextmanager
def _of_whatever_processor() -> Iterator[None]:
    """Within it torch does not compare the processor of a PT2 file with this one.

    Only to warn of another it would have a C++ compiler try which instructions this one has. That took 15 seconds
    beside an H200, and a machine that serves need have no compiler. ``compiled_for`` is what we go by.
    """
    from torch._inductor import codecache

    asked = codecache.get_device_information
    codecache.get_device_information = lambda *_: {}
    try:
        yield
    finally:
        codecache.get_device_information = asked


def _one_cpp_library() -> None:
    """Have what is loaded from now on share this process's C++ library.

    A compiler may put one of its own into the code that it makes (GCC with nothing but ``libstdc++.a`` did, beside an
    H200); two of them mix up their locales, and loading the file ends in a segmentation fault.
    """
    with suppress(OSError):  # there is none of that name: code that brings its own is all the better off
        ctypes.CDLL("libstdc++.so.6", mode=ctypes.RTLD_GLOBAL)


def load_module(model_file: Path, device: str) -> Any:
    """What a TorchScript or PT2 file holds, to be called with pixels and flags on ``device``, which it is loaded onto.

    Raises whatever torch raises. PT2 does not look whether it is of that device.
    """
    import torch

    if model_file.suffix == COMPILED_SUFFIX:
        _one_cpp_library()
        index = torch.device(device).index
        with _of_whatever_processor():
            # Every process asks from one thread. With more, events would tell runs apart, which no recording bears.
            return torch._inductor.aoti_load_package(
                str(model_file), run_single_threaded=True, device_index=-1 if index is None else index
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated; Triton's own backend takes nothing else either
        return torch.jit.load(str(model_file), map_location=device).eval()  # type: ignore[no-untyped-call]

"""What a server is told: everything that `safelight serve` can set, and what each profile adds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from film import specs
from serving.errors import ServingError

Device = Literal["auto", "cpu"]
LogLevel = Literal["error", "warning", "info", "verbose"]
DEFAULT_REPOSITORY = Path(__file__).resolve().parents[1] / "model_repository"
"""The one of this checkout; an installed package is told with ``--model-repository``."""
MODEL_FILE = Path("1", "model.onnx")
"""Inside the folder of a network's model: what is served where a configuration names no file."""

LONGEST_SECONDS = 86_400
"""A day, for any wait: poll(2) counts milliseconds and ends within a month."""
LARGEST_PROCESS = 2**22
"""Linux gives no process id beyond it, whatever it is told (proc(5), pid_max)."""


@dataclass(frozen=True)
class Profile:
    """One kind of hardware: which configuration its models take, and which flags and environment go with it.

    ``config_name`` is Triton's: ``configs/<config_name>.pbtxt`` of a model goes before its ``config.pbtxt``.
    ``packages`` must be importable here, and come with Safelight's ``extra``.
    ``backends`` are those that a server of the container must have; with none, the wheel's server is used.
    ``pool_mb`` is memory of each GPU for what one backend hands to the next there; 0 is what Triton takes by itself.
    ``tolerance`` is how far a probability may be from that of the pixels which this process makes of the picture.
    ``notice`` is what a user should know while the server starts.
    """

    name: str
    summary: str
    notice: str = ""
    config_name: str = ""
    gpu: bool = False
    packages: tuple[str, ...] = ()
    extra: str = ""
    backends: tuple[str, ...] = ()
    tolerance: float = specs.PROFILE_TOLERANCE
    pool_mb: int = 0
    flags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


_NO_GPU = "Errors about CUDA only mean that there is no GPU; this profile needs none."
_NO_GPU_FLAGS = ("--allow-gpu-metrics=false", "--pinned-memory-pool-byte-size=0")
_CPU_ENVIRONMENT = MappingProxyType(
    # Instances and streams are the parallelism; libraries' own threads would only fight them over the cores.
    {"OMP_WAIT_POLICY": "PASSIVE"}
)
_STEADY_MEMORY = MappingProxyType(
    # Of glibc (mallopt(3)), for threads that take buffers of every size: one heap for all of them grows to less than
    # one for each, and to what it needs within minutes. Giving buffers back at once costs a tenth of the speed
    # (docs/performance.md), so only those of more than 32 MiB are, as those of a scan's positive.
    # A decoded scan and its copies are 55 MiB, and two are decoded at a time. What lies free in the middle of a heap,
    # film.heap gives back once a minute.
    {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20)}
)
_NATIVE_ENVIRONMENT = MappingProxyType(
    # The executor that the DALI backend gets by itself keeps what every operator gives: 320 bytes for a pixel of a
    # negative instead of 70 to 170 (docs/gpu.md).
    {**_CPU_ENVIRONMENT, "DALI_USE_EXEC2": "1"}
)
_NATIVE_PACKAGES = ("nvidia.dali", "simplejpeg")
"""To serialise DALI's pipelines when they are loaded, and for the gate. The container has DALI of its own."""
PROFILES = (
    Profile(
        name="cpu",
        summary="Triton from the nvidia-pytriton wheel, OpenVINO or ONNX Runtime; no GPU, no container",
        notice=_NO_GPU,
        tolerance=specs.ONNX_TOLERANCE,
        flags=_NO_GPU_FLAGS,
        environment=MappingProxyType({**_CPU_ENVIRONMENT, **_STEADY_MEMORY}),
    ),
    Profile(
        name="cuda",
        summary="the same server on a GPU, DALI and PyTorch; no container",
        config_name="cuda",
        gpu=True,
        packages=("nvidia.dali", "torch"),
        extra="cuda",
        environment=_CPU_ENVIRONMENT,
    ),
    Profile(
        name="native",
        summary="NVIDIA's container on a GPU, DALI and TensorRT",
        config_name="native",
        gpu=True,
        packages=_NATIVE_PACKAGES,
        extra="native",
        backends=("python", "dali", "tensorrt"),
        # A batch of 64 for film_origin is 94 MB, two may be on their way at once, and Triton's 64 MB would send them
        # through the host's memory.
        pool_mb=1024,
        environment=_NATIVE_ENVIRONMENT,
    ),
    Profile(
        name="native-cpu",
        summary="the same container without a GPU, DALI, libtorch and ONNX Runtime",
        notice=_NO_GPU,
        config_name="native-cpu",
        packages=_NATIVE_PACKAGES,
        extra="native",
        backends=("python", "dali", "pytorch", "onnxruntime"),
        flags=_NO_GPU_FLAGS,
        environment=_NATIVE_ENVIRONMENT,
    ),
)


def profile(name: str) -> Profile:
    """The profile called ``name``; ServingError otherwise."""
    for known in PROFILES:
        if known.name == name:
            return known
    raise ServingError(f"There is no profile {name!r}; there is {', '.join(known.name for known in PROFILES)}.")


@dataclass(frozen=True)
class Settings:
    """One server. Ports are TCP; times are seconds.

    ``device`` "cpu" keeps the models of a GPU profile off the GPU. ``overlay`` is a file of settings for this machine
    (`serving.overlay`), or its folder. ``backend_directory`` goes before the backends that the server brought.
    ``ready_file`` is written once the server has proved itself. The server stops when the process ``stop_with`` ends;
    0 is for none. ``admin_key`` is what `serving.access` asks for; '' for one that is made up.
    """

    profile: str = "cpu"
    device: Device = "auto"
    host: str = "127.0.0.1"
    http_port: int = specs.HTTP_PORT
    grpc_port: int = specs.GRPC_PORT
    metrics_port: int = specs.METRICS_PORT
    models: tuple[str, ...] = specs.PUBLIC_MODELS
    repository: Path = DEFAULT_REPOSITORY
    overlay: Path | None = None
    backend_directory: Path | None = None
    log_level: LogLevel = "warning"
    ready_timeout: float = 300.0
    exit_timeout: int = 30
    ready_file: Path | None = None
    stop_with: int = 0
    admin_key: str = ""

    def __post_init__(self) -> None:
        rules = {
            "ready_timeout": (0 < self.ready_timeout <= LONGEST_SECONDS, f"more than 0 and at most {LONGEST_SECONDS}"),
            "exit_timeout": (0 <= self.exit_timeout <= LONGEST_SECONDS, f"from 0 to {LONGEST_SECONDS}"),
            "stop_with": (0 <= self.stop_with <= LARGEST_PROCESS, f"from 0 to {LARGEST_PROCESS}"),
        }
        for name, (kept, rule) in rules.items():
            if not kept:
                raise ServingError(f"{name} is {getattr(self, name)}; it must be {rule}.")

    @property
    def ports(self) -> dict[str, int]:
        """Port by what is spoken there."""
        return {"http": self.http_port, "grpc": self.grpc_port, "metrics": self.metrics_port}

    def address(self, port: int) -> str:
        """Where a client on this machine reaches ``port``; a server that listens everywhere is reached at loopback."""
        return f"{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{port}"

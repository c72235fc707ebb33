"""What a server is told: everything that `safelight serve` can set, and what each profile adds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from film import specs
from serving.errors import ServingError

LogLevel = Literal["error", "warning", "info", "verbose"]
DEFAULT_REPOSITORY = Path(__file__).resolve().parents[1] / "model_repository"
"""The one of this checkout; an installed package is told with ``--model-repository``."""
MODEL_FILE = Path("1", "model.onnx")
"""Inside the folder of a network's model."""


@dataclass(frozen=True)
class Profile:
    """One kind of hardware: which configuration its models take, and which flags and environment go with it.

    ``config_name`` is Triton's: ``configs/<config_name>.pbtxt`` of a model goes before its ``config.pbtxt``.
    ``notice`` is what a user should know while the server starts.
    """

    name: str
    summary: str
    notice: str = ""
    config_name: str = ""
    flags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


PROFILES = (
    Profile(
        name="cpu",
        summary="Triton from the nvidia-pytriton wheel, OpenVINO or ONNX Runtime; no GPU, no container",
        notice="Errors about CUDA only mean that there is no GPU; this profile needs none.",
        flags=("--allow-gpu-metrics=false", "--pinned-memory-pool-byte-size=0"),
        # Instances and streams are the parallelism; libvips' own threads would only fight them over the cores.
        environment=MappingProxyType({"VIPS_CONCURRENCY": "1"}),
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

    ``ready_file`` is written once the server has proved itself. The server stops when the process ``stop_with`` ends;
    0 is for none.
    """

    profile: str = "cpu"
    host: str = "127.0.0.1"
    http_port: int = specs.HTTP_PORT
    grpc_port: int = specs.GRPC_PORT
    metrics_port: int = specs.METRICS_PORT
    models: tuple[str, ...] = specs.PUBLIC_MODELS
    repository: Path = DEFAULT_REPOSITORY
    log_level: LogLevel = "warning"
    ready_timeout: float = 300.0
    exit_timeout: int = 30
    ready_file: Path | None = None
    stop_with: int = 0

    @property
    def ports(self) -> dict[str, int]:
        """Port by what is spoken there."""
        return {"http": self.http_port, "grpc": self.grpc_port, "metrics": self.metrics_port}

    def address(self, port: int) -> str:
        """Where a client on this machine reaches ``port``; a server that listens everywhere is reached at loopback."""
        return f"{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{port}"

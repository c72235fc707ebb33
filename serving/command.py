"""Settings to Triton's command line and environment."""

import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import film
from serving import access
from serving.overlay import Overlay
from serving.plain import plain
from serving.settings import Settings, profile
from serving.wheel import Server

_KEEPALIVE_MS = 30_000
"""Clients may ping this often, even while nothing is asked, so that idle connections live through gateways."""
_MODEL_LOAD_SECONDS = 120
"""How long a model may take to load on a slow disk; the backend's own default of 30 is too little there."""
_SHARED_MEMORY_MB = 1
"""Size of each instance's shared memory at first: ten pictures of 700x700. It grows when a batch needs more."""


def command(
    settings: Settings,
    server: Server,
    shared_memory_prefix: str,
    overlay: Overlay = Overlay(),  # noqa: B008 - frozen
    gpus: int = 0,
) -> list[str]:
    """The program and its arguments, for a numeric ``host`` and an ``admin_key``, on a machine with so many ``gpus``.
    Of ``overlay``, what Triton takes as flags; the rest is in its repository."""
    chosen = profile(settings.profile)
    flags = {
        "model-repository": settings.repository,
        "backend-directory": server.backends,
        "model-control-mode": "explicit",
        "http-address": settings.host,
        "grpc-address": settings.host,
        "metrics-address": settings.host,
        "http-port": settings.http_port,
        "grpc-port": settings.grpc_port,
        "metrics-port": settings.metrics_port,
        "grpc-keepalive-permit-without-calls": 1,
        "grpc-http2-min-recv-ping-interval-without-data": _KEEPALIVE_MS,
        "grpc-http2-max-pings-without-data": 0,
        "exit-timeout-secs": settings.exit_timeout,
        **_log_flags(settings.log_level),
    }
    if chosen.config_name:
        flags["model-config-name"] = chosen.config_name
    if overlay.response_cache_mb:
        flags["cache-config"] = f"local,size={overlay.response_cache_mb * 2**20}"
        flags["cache-directory"] = server.program.parents[1] / "caches"
    backend = {
        "shm-region-prefix-name": shared_memory_prefix,
        "shm-default-byte-size": _SHARED_MEMORY_MB * 2**20,
        "stub-timeout-seconds": _MODEL_LOAD_SECONDS,
    }
    pools = range(gpus) if chosen.pool_mb else ()
    return [
        str(server.program),
        "--disable-auto-complete-config",
        *(f"--{name}={value}" for name, value in flags.items()),
        *access.flags(settings.host, settings.admin_key),
        *(f"--load-model={model}" for model in settings.models),
        *(f"--backend-config=python,{name}={value}" for name, value in backend.items()),
        *(f"--cuda-memory-pool-byte-size={number}:{chosen.pool_mb * 2**20}" for number in pools),
        *chosen.flags,
        *server.flags,
    ]


def environment(settings: Settings, server: Server, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment that makes Triton's Python models run in this Python, with this `film`.

    The stub looks for `python3` on PATH and takes that one's packages. Both are given by names that it can read.
    PYTHONPATH in NVIDIA's container names a folder with DALI and all that it needs, another numpy too: ours go first.
    """
    kept = {name: value for name, value in inherited.items() if name != "PYTHONHOME"}
    packages = Path(sysconfig.get_path("purelib"))
    first = [plain(packages)] if kept.get("PYTHONPATH") and not _hides_dali(packages) else []
    ours = {
        "PATH": [plain(Path(sys.prefix)) / "bin"],
        "LD_LIBRARY_PATH": server.libraries,
        "PYTHONPATH": [plain(Path(film.__file__).parents[1]), *first],
    }
    joined = {
        name: os.pathsep.join([*map(str, folders), *filter(None, [kept.get(name, "")])])
        for name, folders in ours.items()
    }
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if settings.device == "cpu" else {}
    return {**kept, **joined, **profile(settings.profile).environment, **hidden, "PYTHONDONTWRITEBYTECODE": "1"}


def _hides_dali(packages: Path) -> bool:
    """Whether a package called nvidia there keeps Python from looking for nvidia.dali anywhere else."""
    nvidia = packages / "nvidia"
    return (nvidia / "__init__.py").exists() and not (nvidia / "dali").exists()


def _log_flags(level: str) -> dict[str, str | int]:
    return {
        "log-error": "true",
        "log-warning": "true" if level != "error" else "false",
        "log-info": "true" if level in ("info", "verbose") else "false",
        "log-verbose": 1 if level == "verbose" else 0,
    }

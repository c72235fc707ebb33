"""What can be told before Triton starts: what would keep it from serving, and what a user should know."""

import importlib.util
import os
import select
import socket
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from film import engine, gpu, specs
from film.published import manifest
from serving.artefacts import network_file
from serving.errors import ServingError
from serving.settings import Settings, profile

_SHARED_MEMORY = 512 * 2**20
"""Bytes below which a user is warned: a batch of 64 takes 94 MB at each step of film_origin, and there are several."""


def check(settings: Settings) -> None:
    """Raise ServingError, saying what to do, for what Triton would only complain about at length."""
    _check_device(settings)
    _check_packages(settings)
    if not settings.repository.is_dir():
        raise ServingError(f"{settings.repository} is not a folder: name the model repository with --model-repository.")
    if settings.ready_file is not None and not settings.ready_file.parent.is_dir():
        raise ServingError(f"{settings.ready_file.parent} is not a folder: name another --ready-file.")
    if settings.ready_file is not None and settings.ready_file.is_dir():
        raise ServingError(f"{settings.ready_file} is a folder: name another --ready-file.")
    if not settings.models:
        raise ServingError(f"No model was chosen: name some of {', '.join(specs.PUBLIC_MODELS)} with --models.")
    for model in settings.models:
        _check_model(settings, model)
    if settings.stop_with and not _runs(settings.stop_with):
        raise ServingError(f"There is no process {settings.stop_with} to stop with: name one that runs.")
    _check_ports(settings)
    _check_site_packages()


def _check_device(settings: Settings) -> None:
    chosen = profile(settings.profile)
    if not chosen.gpu or (settings.device == "cpu" and not chosen.backends):
        return
    if settings.device == "cpu":
        raise ServingError(f"Profile {chosen.name} has no --device cpu: native-cpu is what it is without a GPU.")
    without = "--profile native-cpu" if chosen.backends else "--profile cpu, or try its models with --device cpu"
    try:
        found = gpu.find()
    except gpu.GpuError as error:
        raise ServingError(f"Profile {chosen.name} needs a GPU. {error} Without one, use {without}.") from error
    if not found:
        raise ServingError(f"Profile {chosen.name} needs a GPU, and CUDA's driver finds none: use {without}.")


def _check_packages(settings: Settings) -> None:
    chosen = profile(settings.profile)
    missing = [name for name in chosen.packages if not _importable(name)]
    if missing:
        of_container = chosen.backends and "nvidia.dali" in missing
        install = f"pip install -c constraints.txt -e '.[{chosen.extra}{',dali' if of_container else ''}]' 'numpy<2'"
        hint = " NVIDIA's container has DALI, and its PYTHONPATH names it: keep that." if of_container else ""
        raise ServingError(f"Profile {chosen.name} needs {' and '.join(missing)}; in the checkout, `{install}`.{hint}")


def _importable(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def _check_model(settings: Settings, model: str) -> None:
    repository = settings.repository
    if model not in specs.PUBLIC_MODELS:
        raise ServingError(f"There is no model {model!r}; there are {', '.join(specs.PUBLIC_MODELS)}.")
    if not (repository / model).is_dir():
        raise ServingError(f"{repository} is not Safelight's model repository: it has no {model}.")
    if model != specs.INVERSION_MODEL:
        file = network_file(repository, specs.classifier(model), profile(settings.profile).config_name)
        if not file.is_file():
            raise ServingError(f"{file} is missing: run `make export`, or serve other --models.")
        if file.suffix == engine.SUFFIX:
            _check_engine(file)


def _check_engine(file: Path) -> None:
    if why := engine.misfit(manifest(file), engine.installed_version(), gpu.find()):
        raise ServingError(f"{file} cannot be served. {why}")


def _runs(process: int) -> bool:
    try:
        descriptor = os.pidfd_open(process)
    except OSError:
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    try:
        return not poll.poll(0)  # of one that has ended it can be read, even if nobody has waited for it yet
    finally:
        os.close(descriptor)


def _check_ports(settings: Settings) -> None:
    ports = settings.ports
    if len(set(ports.values())) < len(ports):
        raise ServingError(f"HTTP, gRPC and metrics need a port each, not {', '.join(map(str, ports.values()))}.")
    host = numeric(settings.host)
    for name, port in ports.items():
        try:
            socket.create_server((host, port)).close()
        except OSError as error:
            raise ServingError(
                f"Port {port} on {settings.host} cannot be used ({error.strerror}): "
                f"stop what holds it, or choose another with --{name}-port."
            ) from error


def numeric(host: str) -> str:
    """The IPv4 address of ``host``: Triton takes no name for HTTP, and wants IPv6 written differently for each."""
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise ServingError(
            f"--host {host} is not an IPv4 address or a name of one ({error.strerror}): "
            "use 127.0.0.1 for this machine only, or 0.0.0.0 for all that can reach it."
        ) from error


def _check_site_packages() -> None:
    """The Python inside Triton reads these files as ASCII whatever the locale, and ends where it cannot."""
    for file in Path(sysconfig.get_path("purelib")).glob("*.pth"):
        if not file.read_bytes().isascii():
            raise ServingError(
                f"{file} has letters beyond ASCII, which the Python inside Triton cannot read: install the package "
                "that it belongs to without -e, or from a folder with a plain name."
            )


def explained_otherwise(settings: Settings) -> Iterator[str]:
    """A sentence about each explanation that was made of other weights than the classifier that it is served beside."""
    config = profile(settings.profile).config_name
    for spec in specs.NETWORKS:
        if {spec.name, spec.explains} <= set(settings.models):
            both = (spec, specs.classifier(spec.explains))
            files = [network_file(settings.repository, one, config) for one in both]
            own, explained = (manifest(file).get("weights", {}).get("sha256", "") for file in files)
            if own != explained:
                yield (
                    f"{files[0]} was made of other weights than {files[1]}, so {spec.name} explains another network "
                    f"than {spec.explains}: export it anew, or leave it out with --models."
                )


def little_shared_memory(place: Path = Path("/dev/shm")) -> Iterator[str]:
    """What to do where the memory that Triton shares with its models' processes is too small for large batches."""
    try:
        found = os.statvfs(place)
    except OSError:
        return
    size = found.f_frsize * found.f_blocks
    if 0 < size < _SHARED_MEMORY:  # 0 is without a limit
        yield (
            f"{place} holds {size / 2**20:,.0f} MiB, and batches of many pictures will be refused: give it "
            f"{_SHARED_MEMORY / 2**20:,.0f} MiB or more (docker run --shm-size=4g)."
        )

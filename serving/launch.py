"""Checks that a server can start, then becomes it."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from film import specs
from film.published import manifest
from serving import access, gpu, init, leftovers
from serving.artefacts import network_file
from serving.command import command, environment
from serving.container import find_container
from serving.errors import ServingError
from serving.overlay import Overlay, read_overlay
from serving.plain import plain
from serving.settings import Settings, profile
from serving.watch import Watch
from serving.wheel import find_wheel

_SHARED_MEMORY = 512 * 2**20
"""Bytes below which a user is warned: a batch of 64 takes 94 MB at each step of film_origin, and there are several."""


def launch(settings: Settings) -> NoReturn:
    """Become Triton: this process's id, terminal and signals are the server's. ServingError where it cannot start.

    As the first process of a container it stays an init, and a child becomes Triton.
    """
    _make_ordinary()
    check(settings)
    if os.getpid() == 1:
        init.stand_by()
    settings = replace(settings, host=_numeric(settings.host), admin_key=access.key(settings.admin_key))
    server = find_container(settings) if profile(settings.profile).backends else find_wheel()
    overlay = read_overlay(settings.overlay, settings.profile) if settings.overlay else Overlay()
    leftovers.remove_all()
    for warning in (*explained_otherwise(settings), *little_shared_memory()):
        print(f"Warning: {warning}", file=sys.stderr)
    repository = _composed(settings, overlay)
    if settings.ready_file is not None:
        _forget(settings.ready_file)
    argv = command(replace(settings, repository=repository), server, leftovers.prefix(os.getpid()), overlay)
    variables = environment(settings, server, os.environ)
    variables.pop(access.KEY_VARIABLE, None)
    variables |= _scratch()
    print(f"Starting Triton. {profile(settings.profile).notice}".rstrip(), file=sys.stderr, flush=True)
    _start_watcher(settings)
    if overlay.cores:
        os.sched_setaffinity(0, overlay.cores)  # Triton and the processes of its models take it over
    os.execve(argv[0], argv, variables)


def _make_ordinary() -> None:
    """What whoever starts programs may have changed, and Triton, its models and the watcher rely on.

    All three standard streams are there: a descriptor of ours that took the place of one would be closed, or written
    to, by somebody else. Children that end are waited for and not forgotten.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest that is free, which is this one
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


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


def _forget(ready_file: Path) -> None:
    try:
        ready_file.unlink(missing_ok=True)
    except OSError as error:
        raise ServingError(f"{ready_file}, of an earlier server, cannot be removed ({error.strerror}).") from error


def _scratch() -> dict[str, str]:
    """The variable that has models put temporary files where `leftovers` finds them; none where that cannot be."""
    place = leftovers.scratch(os.getpid())
    shutil.rmtree(place, ignore_errors=True)  # an earlier server's that had this process id
    try:
        place.mkdir(mode=0o700)
    except OSError:  # a container may have nowhere to write to, and few models want to
        return {}
    return {"TMPDIR": str(place)}


def _composed(settings: Settings, overlay: Overlay) -> Path:
    """The repository to serve, by a name that Triton can read: the real one, or one made for ``overlay``."""
    chosen = profile(settings.profile)
    if not overlay.models:
        return plain(settings.repository, for_dali="dali" in chosen.backends)
    from serving.composed import compose

    leftovers.remove(os.getpid())  # an earlier server's that had this process id
    place = leftovers.repository(os.getpid())
    compose(settings.repository, chosen.config_name, overlay, place)
    return place


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
    _check_ports(settings)
    _check_site_packages()


def _check_device(settings: Settings) -> None:
    chosen = profile(settings.profile)
    if not chosen.gpu or (settings.device == "cpu" and not chosen.backends):
        return
    if settings.device == "cpu":
        raise ServingError(f"Profile {chosen.name} has no --device cpu: native-cpu is what it is without a GPU.")
    if not gpu.count():
        without = "--profile native-cpu" if chosen.backends else "--profile cpu, or try its models with --device cpu"
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


def _check_ports(settings: Settings) -> None:
    ports = settings.ports
    if len(set(ports.values())) < len(ports):
        raise ServingError(f"HTTP, gRPC and metrics need a port each, not {', '.join(map(str, ports.values()))}.")
    host = _numeric(settings.host)
    for name, port in ports.items():
        try:
            socket.create_server((host, port)).close()
        except OSError as error:
            raise ServingError(
                f"Port {port} on {settings.host} cannot be used ({error.strerror}): "
                f"stop what holds it, or choose another with --{name}-port."
            ) from error


def _check_site_packages() -> None:
    """The Python inside Triton reads these files as ASCII whatever the locale, and ends where it cannot."""
    for file in Path(sysconfig.get_path("purelib")).glob("*.pth"):
        if not file.read_bytes().isascii():
            raise ServingError(
                f"{file} has letters beyond ASCII, which the Python inside Triton cannot read: install the package "
                "that it belongs to without -e, or from a folder with a plain name."
            )


def _numeric(host: str) -> str:
    """The IPv4 address of ``host``: Triton takes no name for HTTP, and wants IPv6 written differently for each."""
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise ServingError(
            f"--host {host} is not an IPv4 address or a name of one ({error.strerror}): "
            "use 127.0.0.1 for this machine only, or 0.0.0.0 for all that can reach it."
        ) from error


def _start_watcher(settings: Settings) -> None:
    """Start the watcher as a grandchild: Triton would never collect a child that it did not start itself."""
    process = os.getpid()
    pidfd = os.pidfd_open(process)
    watch = Watch(
        server=process,
        pidfd=pidfd,
        http=settings.address(settings.http_port),
        grpc=settings.address(settings.grpc_port),
        metrics=settings.address(settings.metrics_port),
        models=list(settings.models),
        repository=str(settings.repository),
        tolerance=profile(settings.profile).tolerance,
        ready_timeout=settings.ready_timeout,
        exit_timeout=settings.exit_timeout,
        ready_file=str(settings.ready_file or ""),
        stop_with=settings.stop_with,
        admin_key=settings.admin_key,
    )
    child = os.fork()
    if child == 0:
        try:
            argv = [sys.executable, "-m", "serving.watcher", watch.to_json()]
            direct = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
            subprocess.Popen(argv, env=direct, pass_fds=[pidfd], stdin=subprocess.DEVNULL, start_new_session=True)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    os.close(pidfd)
    if status:
        raise ServingError("What proves and guards the server could not be started; is there memory left?")

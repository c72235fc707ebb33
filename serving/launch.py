"""Checks that a server can start, then becomes it."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from film import gpu
from serving import access, init, leftovers
from serving.checks import check, explained_otherwise, little_shared_memory, numeric
from serving.command import command, environment
from serving.container import find_container
from serving.errors import ServingError
from serving.overlay import Overlay, read_overlay
from serving.plain import plain
from serving.settings import Settings, profile
from serving.watch import Watch
from serving.wheel import find_wheel


def launch(settings: Settings) -> NoReturn:
    """Become Triton: this process's id, terminal and signals are the server's. ServingError where it cannot start.

    As the first process of a container it stays an init, and a child becomes Triton.
    """
    _make_ordinary()
    check(settings)
    if os.getpid() == 1:
        init.stand_by()
    settings = replace(settings, host=numeric(settings.host), admin_key=access.key(settings.admin_key))
    server = find_container(settings) if profile(settings.profile).backends else find_wheel()
    overlay = read_overlay(settings.overlay, settings.profile) if settings.overlay else Overlay()
    leftovers.remove_all()
    for warning in (*explained_otherwise(settings), *little_shared_memory()):
        print(f"Warning: {warning}", file=sys.stderr)
    repository = _composed(settings, overlay)
    if settings.ready_file is not None:
        _forget(settings.ready_file)
    gpus = len(gpu.find()) if profile(settings.profile).pool_mb else 0
    argv = command(replace(settings, repository=repository), server, leftovers.prefix(os.getpid()), overlay, gpus)
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
            direct[access.KEY_VARIABLE] = watch.admin_key
            subprocess.Popen(argv, env=direct, pass_fds=[pidfd], stdin=subprocess.DEVNULL, start_new_session=True)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    os.close(pidfd)
    if status:
        raise ServingError("What proves and guards the server could not be started; is there memory left?")

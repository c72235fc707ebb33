"""Stands beside a server that is ready: loads a model again whose process has died, and cleans up at the end.

Each of our models runs in processes of its own. When one dies - out of memory, say - this Triton goes on calling itself
and the model ready and refuses every request to it; it starts no other. `serving.watcher` becomes this module.
It sleeps until a process ends and looks now and then whether there are new ones.
"""

import contextlib
import json
import os
import signal
import sys
import urllib.error
import urllib.request
from typing import NoReturn

from film import specs
from serving import leftovers
from serving.access import HEADER, KEY_VARIABLE
from serving.errors import ServingError
from serving.fate import ended_by
from serving.watch import Ended, Gone, Watch, clean_up, companion, give_up, say, send, wait

_LOOK_SECONDS = 10.0
"""Between two looks for processes of models that somebody else has loaded."""
_SETTLE_SECONDS = 1.0
"""In which Triton collects a process that it has ended itself."""
_LOAD_SECONDS = 60.0
"""In which a model must be there again; its files have just been read. Triton itself waits minutes for some faults."""
_LAST_SECONDS = 3.0
"""In which it ends once all its models have ended."""


def main(watch: Watch) -> int:
    """Guard one server to its end; return the exit code."""
    try:
        return _guard(watch)
    except Ended as ended:
        if isinstance(ended, Gone):
            _explain(watch)
        clean_up(watch)
        return 0


def _explain(watch: Watch) -> None:
    """Say how the server ended, if it did not stop by itself."""
    signal_name = ended_by(watch.server, watch.pidfd)
    if signal_name:
        say(f"The server was ended by {signal_name} and did not stop by itself; a supervisor should start another.")
    elif signal_name is None and any(leftovers.stubs(watch.server)):  # one that stops in time ends its models first
        say(
            "The server has ended while its models still ran: it crashed, was killed, or could not stop within its "
            "exit timeout; a supervisor should start another."
        )


class _Processes:
    """The processes of a server's models; ``lost`` has those that were found dead."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._models: dict[int, str] = {}
        self._open: dict[int, int] = {}
        self.lost: set[int] = set()

    def look(self) -> list[int]:
        """An open descriptor of each that lives."""
        known = set(self._open.values())
        for process, model in leftovers.stubs(self._server):
            if process not in known:
                with contextlib.suppress(ProcessLookupError):
                    self._open[os.pidfd_open(process)] = process
                    self._models[process] = model
                    self.lost.discard(process)  # another had this process id before
        return list(self._open)

    def close(self, descriptors: list[int]) -> None:
        """Let go of those that have ended."""
        for descriptor in descriptors:
            os.close(descriptor)
            del self._open[descriptor]

    def dead(self) -> dict[int, str]:
        """Those newly found dead, with their models; no name for one that died before it was seen."""
        found = [process for process in leftovers.dead_stubs(self._server) if process not in self.lost]
        return {process: self._models.get(process, "") for process in found}


def _guard(watch: Watch) -> int:
    beside, processes = companion(watch), _Processes(watch.server)
    while True:
        running = processes.look()
        if processes.lost and not running and not _answers(watch, "health/ready"):
            _hasten(watch, beside)
        processes.close(wait(watch, beside, 0 if processes.dead() else _LOOK_SECONDS, running))
        if processes.dead():
            wait(watch, beside, _SETTLE_SECONDS)
        dead = processes.dead()
        ready = {model: _answers(watch, _ready_path(model)) for model in set(dead.values())}
        processes.lost.update(process for process, model in dead.items() if ready[model] is not None)
        try:
            _load_again(watch, {model for model, answer in ready.items() if answer})
        except (ServingError, OSError) as error:
            wait(watch, beside, _SETTLE_SECONDS)  # if it was told to stop in the meantime, this is the end
            return give_up(watch, f"A model's process died and the model cannot be loaded again ({error}).")


def _hasten(watch: Watch, beside: int | None) -> NoReturn:
    """End a server that has stopped its models and waits in vain for requests that a dead process had taken."""
    wait(watch, beside, _LAST_SECONDS)
    send(watch, signal.SIGKILL)
    raise Ended


def _ready_path(model: str) -> str:
    """What says whether a model still counts as ready: not in a server that stops, nor if somebody has unloaded it."""
    return f"models/{model}/ready" if model else "health/ready"


def _load_again(watch: Watch, ready: set[str]) -> None:
    """Load the public models again that the models whose processes died are steps of; all of them for no name."""
    asked = [public for public in watch.models if "" in ready or ready & set(steps(public))]
    if not asked:
        return
    what = " and ".join(sorted(filter(None, ready))) or "a model"
    say(f"A process of {what} died; loading {', '.join(asked)} again.")
    for public in asked:
        _post(watch, f"{public}/unload", {"parameters": {"unload_dependents": True}})
    for public in asked:
        _post(watch, f"{public}/load", {})
    say(f"{', '.join(asked)} can be asked again.")


def steps(public: str) -> tuple[str, ...]:
    """The models that a public model is made of, in whatever profile."""
    if public == specs.INVERSION_MODEL:
        return (public, *(f"{public}_{step}" for step in ("gate", "dali", "encode")))
    spec = specs.classifier(public)
    return (spec.name, spec.preprocess_model, spec.gate_model, spec.dali_model, spec.network_model)


def _post(watch: Watch, what: str, body: dict[str, object]) -> None:
    request = urllib.request.Request(
        f"http://{watch.http}/v2/repository/models/{what}",
        json.dumps(body).encode(),
        {HEADER: watch.admin_key},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=_LOAD_SECONDS):
            pass
    except urllib.error.HTTPError as error:
        raise ServingError(error.read().decode("utf-8", "replace")) from error


def _answers(watch: Watch, path: str) -> bool | None:
    """What the server says to a question about readiness; None if it does not answer, slow as it may be."""
    try:
        with urllib.request.urlopen(f"http://{watch.http}/v2/{path}", timeout=5):
            return True
    except urllib.error.HTTPError:
        return False
    except OSError:
        return None


if __name__ == "__main__":
    sys.exit(main(Watch.from_json(sys.argv[1], os.environ.get(KEY_VARIABLE, ""))))

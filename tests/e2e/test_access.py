"""What asks for the key: whoever may load models may run code."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from client import Client, RequestRejected
from film import specs
from serving.access import HEADER
from serving.server import ServerProcess, on_free_ports
from serving.settings import Settings

pytestmark = pytest.mark.e2e
CODE = b"open('/tmp/safelight-was-here', 'w')"
GUARDED: dict[str, Callable[..., Any]] = {
    "a model that was sent along": lambda client, **key: client.load_model(
        "stranger", config='{"backend": "python"}', files={"file:1/model.py": CODE}, **key
    ),
    "unloading": lambda client, **key: client.unload_model("film_origin", **key),
    "a list of the repository": lambda client, **key: client.get_model_repository_index(**key),
    "log settings": lambda client, **key: client.get_log_settings(**key),
    "tracing": lambda client, **key: client.get_trace_settings(**key),
}


def command_lines() -> dict[int, str]:
    """Of every process of this machine."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found[int(folder.name)] = (folder / "cmdline").read_text(errors="replace")
    return found


@pytest.mark.parametrize("call", GUARDED.values(), ids=GUARDED)
def test_who_has_no_key_is_refused(call: Callable[..., Any], stock: tuple[Any, Any]) -> None:
    _, client = stock
    with pytest.raises(InferenceServerException, match="restricted"):
        call(client)
    with pytest.raises(InferenceServerException, match="restricted"):
        call(client, headers={HEADER: "guessed", f"triton-grpc-protocol-{HEADER}": "guessed"})
    assert client.is_model_ready("film_origin")


def test_who_has_the_key_may(stock: tuple[Any, Any], server: ServerProcess) -> None:
    module, client = stock
    header = f"triton-grpc-protocol-{HEADER}" if module is tritonclient.grpc else HEADER
    assert client.get_model_repository_index(headers={header: server.settings.admin_key})


def test_the_key_stands_on_no_command_line_but_triton_s(server: ServerProcess) -> None:
    """What a process was started with can be read by every user of the machine; its environment cannot."""
    key, deadline = server.settings.admin_key, time.monotonic() + 60
    told = f'"server": {server.process_id},'
    while not any("serving.guard" in line and told in line for line in command_lines().values()):
        assert time.monotonic() < deadline, "the guard comes when the server is ready"
        time.sleep(0.05)
    assert [process for process, line in command_lines().items() if key in line] == [server.process_id]


def test_a_server_for_other_machines_takes_no_shared_memory(photograph: bytes) -> None:
    settings = on_free_ports(Settings(models=(specs.INVERSION_MODEL,), host="0.0.0.0"))
    with ServerProcess(settings) as server:
        for url in (f"grpc+shm://{server.grpc_url}", f"http+shm://{server.http_url}"):
            with Client(url) as client, pytest.raises(RequestRejected, match="other machines"):
                client.invert([photograph])
        with Client(server.grpc_url) as client:
            assert client.invert([photograph])[0].data

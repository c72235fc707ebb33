"""A server in memory, for this process and for commands in one of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import client.client
from client import FakeTransport

KILLED = """
import os, signal, sys
import client.client
from client import FakeTransport
from safelight.cli import main

fake = FakeTransport()
answer = fake.infer
most = int(sys.argv.pop(1))

async def infer(request, timeout):
    if len(fake.requests) == most:
        os.kill(os.getpid(), signal.SIGKILL)
    return await answer(request, timeout)

fake.infer = infer
client.client.open_transport = lambda url, asynchronous: fake
main(sys.argv[1:])
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeTransport:
    fake = FakeTransport(errors={b"bad": "not a picture"})
    monkeypatch.setattr(client.client, "open_transport", lambda url, asynchronous: fake)
    return fake


def killed_after(requests: int, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """What ``safelight`` leaves that is killed when it has asked so often, and asks again."""
    root = str(Path(client.client.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-c", KILLED, str(requests), *arguments],
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

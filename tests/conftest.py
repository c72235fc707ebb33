"""What the tests of every room may use."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch reads it: cores are shared among the processes of the suite (pytest-xdist's, if any), and the threads of
# one that wait for each other must not keep the other from working.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
_PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // _PROCESSES)))
settings.register_profile("suite", deadline=None)  # no test asserts a time: another may have the core
settings.load_profile("suite")
# A shell's background jobs ignore Ctrl-C, and what they start inherits that; programs under test should not.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--profile", help="hold only this profile to the contract (tests/contract)")
    parser.addoption("--backend-directory", type=Path, help="native backends to hold to the contract")
    parser.addoption("--server", help="host:port (gRPC) of a running server of that profile to hold to the contract")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """The real server with every model, started once for all tests: ``grpc_url`` and ``http_url`` say where it is.

    Mark tests that use it with ``pytest.mark.e2e``.
    """
    from serving.server import ServerProcess

    with ServerProcess(log=tmp_path_factory.mktemp("server") / "log") as running:
        yield running


@contextmanager
def narrowed() -> Iterator[None]:
    """Every ``negative_condition`` that is built meanwhile has an eighth of its channels.

    For tests of what is done with a network: its layers and maps are the same, and it is 60 times as small, so that to
    train, export, keep and load it costs next to nothing.
    """
    from training import negative_condition as network

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "STAGES", tuple(channels // 8 for channels in network.STAGES))
        patch.setattr(network, "PYRAMID", network.PYRAMID // 8)
        yield


@pytest.fixture
def narrow() -> Iterator[None]:
    """``narrowed`` for a test."""
    with narrowed():
        yield

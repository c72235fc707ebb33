"""Pictures through shared memory: the same answers, and nothing left on either side."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tritonclient.grpc as triton

from client import AsyncClient, Client, ClientError, RequestRejected, RequestTimeout, Retry
from film import specs
from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION
from serving.server import ServerProcess, on_free_ports
from serving.settings import Settings

pytestmark = pytest.mark.e2e
QUICK = [NEGATIVE_CONDITION.name]
CLOSE = 1e-3


def files() -> set[str]:
    return {file.name for file in Path("/dev/shm").glob("safelight_client_*")}


def regions(server: Any) -> set[str]:
    """What the server has registered."""
    with triton.InferenceServerClient(server.grpc_url) as stock:
        return set(stock.get_system_shared_memory_status().regions)


@pytest.fixture(params=["grpc", "http"])
def url(request: pytest.FixtureRequest, server: Any) -> Iterator[str]:
    yield f"{request.param}+shm://{getattr(server, f'{request.param}_url')}"
    assert not files()
    assert not regions(server)


def test_the_answers_are_those_of_a_message(url: str, server: Any, photographs: list[bytes]) -> None:
    sent = [*photographs, b"no picture", b""]
    with Client(url.replace("+shm", "")) as client:
        expected = client.classify(sent)
    with Client(url) as client:
        told = client.classify(sent, batch_size=3, concurrency=2)
        assert regions(server), "this test sees what is shared"
        assert not files()
        again = client.classify(sent, batch_size=3, concurrency=2)
        held = len(regions(server))
    assert held <= 4, "two batches to each of two models were in flight at once"
    for answers in (told, again):
        for answer, other in zip(answers, expected, strict=True):
            assert answer.error == other.error
            if not other.error:
                assert answer.origin is not None
                assert other.origin is not None
                assert answer.origin.scores == pytest.approx(other.origin.scores, abs=CLOSE)


def test_larger_pictures_get_larger_regions_and_the_small_one_goes(url: str, server: Any) -> None:
    small, large = b"no picture", bytes(3 * 2**20)
    with Client(url) as client:
        for pictures in ([small], [large, large], [small], [large]):
            answers = client.classify(pictures, QUICK, concurrency=1)
            assert all(answer.error for answer in answers)
        assert len(regions(server)) == 1


def test_for_asyncio_too(url: str, server: Any, photographs: list[bytes]) -> None:
    async def ask() -> list[Any]:
        async with AsyncClient(url) as client:
            return await client.classify(photographs, QUICK, batch_size=2)

    assert all(answer.condition for answer in asyncio.run(ask()))


@pytest.mark.parametrize("timeout", [0.001, 0.05])
def test_what_was_given_up_is_let_go_as_well(url: str, server: Any, photographs: list[bytes], timeout: float) -> None:
    with Client(url, retry=Retry(attempts=1)) as client:
        for _ in range(2):
            with pytest.raises(RequestTimeout):
                client.classify(photographs * 2, [FILM_ORIGIN.name], batch_size=16, timeout=timeout)
        assert client.classify(photographs[:2], QUICK)[0].condition


def test_a_client_that_is_killed_leaves_no_file_and_the_next_has_its_memory_let_go(
    url: str, server: Any, photographs: list[bytes], tmp_path: Path
) -> None:
    (tmp_path / "one").write_bytes(photographs[0])
    code = (
        "import os, signal, sys; from client import Client\n"
        f"client = Client({url!r})\n"
        f"print(client.classify([{str(tmp_path / 'one')!r}], {QUICK})[0].condition, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert "%" in done.stdout
    assert not files()
    left = regions(server)
    assert left, "it cannot know that nobody will write to it"
    with Client(url) as client, Client(url) as another:
        for each in (client, another):
            assert each.classify(photographs[:1], QUICK)[0].condition
        assert not left & regions(server)
        assert len(regions(server)) == 2, "those who live keep theirs"


def test_a_server_that_was_started_anew_is_told_again(photographs: list[bytes]) -> None:
    settings = on_free_ports(Settings(models=(specs.INVERSION_MODEL,)))
    with Client(f"grpc+shm://{settings.address(settings.grpc_port)}", retry=Retry()) as client:
        for _ in range(2):
            with ServerProcess(settings) as running:
                assert client.invert(photographs[:1])[0].data
                assert len(regions(running)) == 1
    assert not files()


def test_a_server_elsewhere_is_an_error_that_says_so(
    url: str, photographs: list[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("client.shared_memory._FOLDER", tmp_path)  # as in a container of its own
    with Client(url) as client, pytest.raises(RequestRejected, match=r"does not take this machine's.*Leave \+shm out"):
        client.classify(photographs[:1], QUICK)
    assert not list(tmp_path.iterdir())


def test_without_room_it_says_so(
    url: str, photographs: list[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with Client(url) as client, pytest.raises(ClientError, match=r"No space left on device.*make room"):
        client.classify(photographs[:1], QUICK)

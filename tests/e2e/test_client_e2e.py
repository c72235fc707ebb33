"""Our client against the real server: both wires, blocking and asyncio, and what goes wrong on a real wire."""

import asyncio
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from client import (
    AsyncClient,
    Client,
    ClientError,
    Prediction,
    Request,
    RequestRejected,
    RequestTimeout,
    RequestTooLarge,
    Retry,
)
from client.drivers import run
from client.transport import open_transport
from film.specs import ERROR, FILM_ORIGIN, HEATMAP, MAX_BATCH, NEGATIVE_CONDITION, PUBLIC_MODELS

pytestmark = pytest.mark.e2e
QUICK = [NEGATIVE_CONDITION.name]
"""The model that most tests ask: it takes a tenth of the other's time."""
CLOSE = 1e-3
"""A probability may differ by so much with what else is in the batch."""


@pytest.fixture(params=["grpc", "http"])
def url(request: pytest.FixtureRequest, server: Any) -> str:
    return f"{request.param}://{getattr(server, f'{request.param}_url')}"


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as opened:
        yield opened


def numbers(prediction: Prediction) -> np.ndarray[Any, Any]:
    assert prediction.condition, prediction.error
    return np.array([*prediction.condition.scores.values(), *prediction.defects.values()])


def same(some: Sequence[Prediction], others: Sequence[Prediction]) -> bool:
    return all(np.allclose(numbers(a), numbers(b), atol=CLOSE) for a, b in zip(some, others, strict=True))


@pytest.fixture(scope="session")
def one_by_one(server: Any, photographs: list[bytes]) -> list[Prediction]:
    """What the models say of each photograph when it comes alone."""
    with Client(server.grpc_url) as client:
        return [client.classify([photograph], QUICK)[0] for photograph in photographs]


def test_the_answers_belong_to_the_pictures(
    client: Client, photographs: list[bytes], one_by_one: list[Prediction]
) -> None:
    seen = client.classify(photographs, QUICK, batch_size=5, concurrency=2)
    assert same(seen, one_by_one)
    assert len({str(numbers(one)) for one in one_by_one}) == len(photographs)  # or the order would prove nothing


async def test_asyncio_gives_the_same_answers(url: str, photographs: list[bytes], one_by_one: list[Prediction]) -> None:
    async with AsyncClient(url) as client:
        await client.wait_until_ready()
        assert same(await client.classify(photographs, QUICK, batch_size=5), one_by_one)
        (positive,) = await client.invert(photographs[:1])
    assert Image.open(io.BytesIO(positive.data)).format == "JPEG"


def test_three_bad_pictures_of_32_are_three_reasons_and_29_verdicts(client: Client, photographs: list[bytes]) -> None:
    pictures = [photographs[number % len(photographs)] for number in range(32)]
    bad = {3: b"", 17: b"not a picture", 31: photographs[0][:300]}
    for place, damaged in bad.items():
        pictures[place] = damaged

    seen = client.classify(pictures, QUICK, batch_size=32)

    assert {place for place, one in enumerate(seen) if one.error} == set(bad)
    assert all((one.condition is None) == (one.error is not None) for one in seen)


async def test_explanations_are_the_same_blocking_and_awaited_and_a_bad_picture_has_none(
    url: str, photographs: list[bytes]
) -> None:
    pictures = [photographs[0], b"not a picture", photographs[1]]
    with Client(url) as client:
        seen = client.explain(pictures, batch_size=2)
    async with AsyncClient(url) as waiting:
        awaited = await waiting.explain(pictures)

    assert [one.error is None for one in seen] == [True, False, True]
    for one, other in zip(seen, awaited, strict=True):
        if not one.error:
            assert one.heatmap.shape == HEATMAP.shape
            np.testing.assert_allclose(one.heatmap, other.heatmap, atol=CLOSE)
            assert one.origin.label == other.origin.label
    assert seen[1].heatmap is None
    assert not np.allclose(seen[0].heatmap, seen[2].heatmap, atol=0.1)


def test_a_positive_is_a_jpeg_of_the_same_size(client: Client, photographs: list[bytes]) -> None:
    good, bad = client.invert([photographs[0], b"not a picture"])
    assert Image.open(io.BytesIO(good.data)).size == Image.open(io.BytesIO(photographs[0])).size
    assert bad.data == b""
    assert bad.error


def test_status_tells_what_is_served(client: Client) -> None:
    status = client.status()
    assert status.ready
    assert status.server == "triton"
    assert status.models == dict.fromkeys(PUBLIC_MODELS, True)
    assert not client.ready(["no_such_model"])


def test_a_picture_larger_than_a_usual_request_goes_through_alone(url: str, photographs: list[bytes]) -> None:
    file = io.BytesIO()
    Image.new("RGB", (5000, 4600), "tan").save(file, "TIFF")  # 69 MB, uncompressed
    with Client(url) as client:
        seen = client.classify([photographs[0], file.getvalue(), photographs[1]], QUICK)
    assert [one.error for one in seen] == [None] * 3


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_proxy_in_the_environment_is_not_asked_for_this_machine(
    server: Any, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    port = server.grpc_url.rpartition(":")[2]
    with Client(f"{host}:{port}", timeout=5) as client:
        assert client.ready()


def test_too_little_time_is_a_timeout_and_the_client_goes_on(client: Client, photographs: list[bytes]) -> None:
    with pytest.raises(RequestTimeout, match="did not answer within"):
        client.classify(photographs, QUICK, timeout=0.001)
    assert client.classify(photographs[:1], QUICK)[0].condition


def test_what_triton_refuses_is_told_apart(url: str) -> None:
    transport = open_transport(url, asynchronous=False)
    with pytest.raises(RequestTooLarge):
        run(transport.infer(Request(FILM_ORIGIN.name, [b""] * (MAX_BATCH + 1), (ERROR.name,)), 60))
    with pytest.raises(RequestRejected, match="no_such_model"):
        run(transport.infer(Request("no_such_model", [b""], (ERROR.name,)), 60))
    with pytest.raises(RequestRejected, match="DEFECTS"):
        run(transport.infer(Request(FILM_ORIGIN.name, [b""], ("DEFECTS",)), 60))
    run(transport.close())


@pytest.mark.parametrize(("scheme", "port"), [("http", "grpc_url"), ("grpc", "http_url"), ("https", "http_url")])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["blocking", "asyncio"])
def test_the_wrong_wire_is_a_clear_error(scheme: str, port: str, asynchronous: bool, server: Any) -> None:
    address = f"{scheme}://{getattr(server, port)}"

    async def ask() -> None:
        async with AsyncClient(address, retry=Retry(attempts=1)) as client:
            await client.status()

    with pytest.raises(ClientError, match=address):
        asyncio.run(ask()) if asynchronous else Client(address, retry=Retry(attempts=1)).status()


def test_threads_may_share_a_client(client: Client, photographs: list[bytes], one_by_one: list[Prediction]) -> None:
    seen: dict[int, list[Prediction]] = {}

    def work(number: int) -> None:
        seen[number] = client.classify(photographs[number : number + 3], QUICK)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(seen[number], one_by_one[number : number + 3]) for number in range(4))


def test_greenlets_may_share_a_client(url: str, photograph: bytes, tmp_path: Path) -> None:
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(photograph)
    script = """
from gevent import monkey; monkey.patch_all()
import sys, gevent, grpc.experimental.gevent; grpc.experimental.gevent.init_gevent()
from client import Client
with Client(sys.argv[1]) as client:
    jobs = [gevent.spawn(client.classify, [sys.argv[2]] * 2, ["negative_condition"], batch_size=1) for _ in range(4)]
    print([bool(one.condition) for job in jobs for one in job.get()])
"""
    done = subprocess.run(
        [sys.executable, "-c", script, url, str(picture)], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == str([True] * 8), done.stderr


def safelight(url: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "safelight", *map(str, arguments), "--url", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_commands_work_on_the_real_server(url: str, photographs: list[bytes], tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(photographs[number])
    (tmp_path / "2.jpg").write_bytes(b"not a picture")

    assert safelight(url, "status").returncode == 0
    classified = safelight(url, "classify", tmp_path, "--json")
    inverted = safelight(url, "invert", tmp_path, "-o", tmp_path / "out", "--json")
    explained = safelight(url, "explain", *sorted(tmp_path.glob("*.jpg")), "-o", tmp_path / "out", "--json")
    defects = safelight(url, "explain", "--defects", tmp_path / "0.jpg", "-o", tmp_path / "out")

    assert (classified.returncode, inverted.returncode, explained.returncode) == (1, 1, 1)
    assert defects.returncode == 0, defects.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("0_positive.jpg", "1_positive.jpg", "0_explained.jpg", "1_explained.jpg", "0_defects.jpg")
    }
    seen = [json.loads(line) for line in classified.stdout.splitlines()]
    assert [bool(one["error"]) for one in seen] == [False, False, True]
    assert [bool(one["origin"]) for one in seen] == [True, True, False]
    written = [json.loads(line)["output"] for line in inverted.stdout.splitlines()]
    assert [Image.open(path).format for path in written[:2]] == ["JPEG", "JPEG"]
    assert written[2] is None


def test_both_classifiers_are_asked_unless_told_otherwise(client: Client, photograph: bytes) -> None:
    (seen,) = client.classify([photograph])
    assert seen.origin
    assert seen.condition
    assert seen.origin.label in FILM_ORIGIN.labels
    assert seen.condition.label in NEGATIVE_CONDITION.labels


def test_clients_that_were_closed_leave_nothing_open(url: str, photographs: list[bytes]) -> None:
    def ask(clients: int) -> tuple[int, int]:
        for _ in range(clients):
            with Client(url) as client:
                assert client.classify(photographs[:4], QUICK, batch_size=1, concurrency=4)[0].condition
        return psutil.Process().num_fds(), psutil.Process().num_threads()

    files, threads = ask(2)
    more_files, more_threads = ask(16)  # of gRPC's own threads, up to eight come and go
    assert more_files < files + 16
    assert more_threads < threads + 16

"""What answers over HTTP and is no Triton, or is one with something odd before it: always an error with a sentence."""

import asyncio
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from client import (
    AsyncClient,
    Client,
    ClientError,
    Prediction,
    RequestTimeout,
    RequestTooLarge,
    ResponseInvalid,
    Retry,
    ServerUnavailable,
)
from film.specs import ERROR, FILM_ORIGIN

Answer = Callable[[BaseHTTPRequestHandler], None]
Answering = Callable[[Answer], str]
MEBIBYTE = bytes(2**20)


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Starts a server that answers everything alike, and says where it is."""
    running: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer(self)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                """Not said."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """The client has gone."""

        running.append(server := Quiet(("127.0.0.1", 0), Handler))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def says(status: int, body: bytes | str, **headers: str) -> Answer:
    def answer(to: BaseHTTPRequestHandler) -> None:
        content = body.encode() if isinstance(body, str) else body
        to.send_response(status)
        to.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            to.send_header(name.replace("_", "-"), value)
        to.end_headers()
        to.wfile.write(content)

    return answer


def endless(status: int, piece: bytes = MEBIBYTE) -> Answer:
    """A body of chunks that never ends, as fast as it is read."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response(status)
        to.send_header("Transfer-Encoding", "chunked")
        to.end_headers()
        while True:
            to.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    return answer


Ask = Callable[..., Any]


@pytest.fixture(params=["blocking", "asyncio"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Calls a method of a client, once."""

    def call(url: str, method: str, *arguments: Any, timeout: float = 30) -> Any:
        async def awaited() -> Any:
            async with AsyncClient(url, timeout=timeout, retry=Retry(attempts=1)) as client:
                return await getattr(client, method)(*arguments)

        if request.param == "asyncio":
            return asyncio.run(awaited())
        with Client(url, timeout=timeout, retry=Retry(attempts=1)) as client:
            return getattr(client, method)(*arguments)

    return call


CALLS: dict[str, tuple[Any, ...]] = {"status": (), "classify": ([b"a"],), "invert": ([b"a"],)}


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize(
    "body",
    ['{"error": {"code": 404}}', '{"error": null}', "[1]", "<html>\n<h1>Not\nFound</h1>", "", b"\xff\xfe", "[" * 9999],
)
def test_an_error_in_other_words_than_tritons(answering: Answering, ask: Ask, method: str, body: bytes | str) -> None:
    with pytest.raises(ResponseInvalid, match=r"answers, but not as Triton does \(HTTP 404") as told:
        ask(answering(says(404, body)), method, *CALLS[method])
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 400


@pytest.mark.parametrize(
    ("status", "kind"), [(413, RequestTooLarge), (502, ServerUnavailable), (503, ServerUnavailable)]
)
def test_what_a_proxy_says_is_known_by_its_status(
    answering: Answering, ask: Ask, status: int, kind: type[ClientError]
) -> None:
    with pytest.raises(kind, match="Sorry"):
        ask(answering(says(status, "<html>Sorry</html>")), "status")


def outputs(*tensors: dict[str, Any]) -> str:
    return json.dumps({"model_name": FILM_ORIGIN.name, "outputs": tensors})


ODD = {
    "a list": "[1]",
    "a number": "1",
    "nothing": "",
    "no JSON": "<html>",
    "too deep": "[" * 9999,
    "no outputs": "{}",
    "outputs that are none": '{"outputs": 5}',
    "outputs without a name": '{"outputs": [5]}',
    "an output without content": outputs({"name": "SCORES", "datatype": "FP32", "shape": [1, 2]}),
    "an unknown type": outputs({"name": "SCORES", "datatype": "X", "shape": [1, 2], "data": ["a", {}]}),
    "a shape that is none": outputs({"name": "SCORES", "datatype": "FP32", "shape": "x", "data": [0, 1]}),
    "a shape beyond all bounds": outputs({"name": "SCORES", "datatype": "FP32", "shape": [10**30], "data": [0, 1]}),
    "a size that is none": outputs(
        {"name": "SCORES", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": "x"}}
    ),
    "parameters that are none": outputs({"name": "SCORES", "datatype": "FP32", "shape": [1, 2], "parameters": [1]}),
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
@pytest.mark.parametrize("length", [None, "2", "99999", "-1", "x"])
def test_an_answer_that_cannot_be_read(answering: Answering, ask: Ask, body: str, length: str | None) -> None:
    headers = {} if length is None else {"Inference_Header_Content_Length": length}
    url = answering(says(200, body, **headers))
    with pytest.raises(ResponseInvalid):
        ask(url, "classify", [b"a"], [FILM_ORIGIN.name])
    with pytest.raises(ResponseInvalid, match="not as Triton does"):
        ask(url, "status")


def test_text_where_bytes_were_asked_for(answering: Answering, ask: Ask) -> None:
    """As servers answer that have KServe's protocol and not its extension for binary data."""
    body = outputs(
        {"name": "SCORES", "datatype": "FP32", "shape": [1, 2], "data": [0.25, 0.75]},
        {"name": ERROR.name, "datatype": "BYTES", "shape": [1, 1], "data": [""]},
    )
    with pytest.raises(ResponseInvalid, match="gave ERROR as JSON, not as bytes"):
        ask(answering(says(200, body)), "classify", [b"a"], [FILM_ORIGIN.name])


def test_numbers_as_json_are_numbers(answering: Answering, ask: Ask) -> None:
    scores = outputs(
        {"name": "SCORES", "datatype": "FP32", "shape": [1, 2], "data": [0.25, 0.75]},
        {"name": ERROR.name, "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": 4}},
    )
    url = answering(says(200, scores.encode() + bytes(4), Inference_Header_Content_Length=str(len(scores))))
    (seen,) = ask(url, "classify", [b"a"], [FILM_ORIGIN.name])
    assert isinstance(seen, Prediction)
    np.testing.assert_allclose(list(seen.origin.scores.values()), [0.25, 0.75])  # type: ignore[union-attr]


@pytest.mark.parametrize("begin", [b"Content-Length: 100\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n64\r\nabc"])
def test_an_answer_that_breaks_off_is_a_server_that_went_away(answering: Answering, ask: Ask, begin: bytes) -> None:
    def answer(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(b"HTTP/1.1 200 OK\r\n" + begin)
        to.close_connection = True

    with pytest.raises(ServerUnavailable):
        ask(answering(answer), "status")


def test_a_compressed_answer_is_not_unpacked(answering: Answering, ask: Ask) -> None:
    """Nobody asked for one, and a kilobyte may be a gigabyte."""
    packed = gzip.compress(b" " * 2**20)
    with pytest.raises(ResponseInvalid, match="not as Triton does"):
        ask(answering(says(200, packed, Content_Encoding="gzip")), "classify", [b"a"])


@pytest.mark.parametrize(("method", "status"), [("status", 200), ("status", 404), ("classify", 200), ("classify", 500)])
def test_a_body_without_end_is_not_read_to_it(answering: Answering, ask: Ask, method: str, status: int) -> None:
    with pytest.raises(ResponseInvalid, match=r"more than [\d,]+ bytes"):
        ask(answering(endless(status)), method, *CALLS[method])


@pytest.mark.parametrize("method", CALLS)
def test_the_time_is_over_while_a_body_goes_on(answering: Answering, ask: Ask, method: str) -> None:
    """However fast it comes: what is there already never makes a reader wait."""
    with pytest.raises(RequestTimeout, match=r"within 0\.5 s"):
        ask(answering(endless(200, b"x")), method, *CALLS[method], timeout=0.5)

"""What is sent to each peer holds the picture as it is, and an answer is read as it comes."""

import base64
import email
import json

import numpy as np
import pytest
import tritonclient.http

from loadtest.peers.registry import PEERS
from loadtest.peers.wires import WIRES

PICTURE = b"\xff\xd8\x00\r\n--picture\x80" * 3


def test_every_peer_has_a_wire_that_is_known() -> None:
    assert {one.wire for one in PEERS} - {"", "grpc"} == set(WIRES)


@pytest.mark.parametrize("name", ["multipart file", "multipart images"])
def test_multipart(name: str) -> None:
    headers, body = WIRES[name].encode(PICTURE)
    message = email.message_from_bytes(b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body)
    (part,) = message.get_payload()  # type: ignore[misc]
    assert part.get_payload(decode=True) == PICTURE  # type: ignore[union-attr]
    assert part.get_param("name", header="content-disposition") == name.split()[1]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["raw", "raw predictions"])
def test_raw(name: str) -> None:
    assert WIRES[name].encode(PICTURE)[1] == PICTURE


def test_json() -> None:
    assert base64.b64decode(json.loads(WIRES["json base64"].encode(PICTURE)[1])["image"]) == PICTURE
    (tensor,) = json.loads(WIRES["v2 base64"].encode(PICTURE)[1])["inputs"]
    assert [base64.b64decode(text) for text in tensor["data"]] == [PICTURE]


def test_the_binary_protocol_is_what_tritonclient_sends() -> None:
    tensor = tritonclient.http.InferInput("image", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[PICTURE]], np.object_))
    theirs, their_length = tritonclient.http.InferenceServerClient.generate_request_body([tensor])
    headers, body = WIRES["v2 binary"].encode(PICTURE)
    length = int(headers["Inference-Header-Content-Length"])
    assert body[length:] == bytes(theirs)[their_length:]
    mine, other = json.loads(body[:length])["inputs"], json.loads(bytes(theirs)[:their_length])["inputs"]
    assert mine == other


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("raw", b"[0.25, 0.75]"),
        ("multipart images", b"[[0.25, 0.75]]"),
        ("v2 base64", b'{"outputs": [{"name": "scores", "shape": [1, 2], "data": [0.25, 0.75]}]}'),
    ],
)
def test_an_answer_is_read(name: str, body: bytes) -> None:
    assert WIRES[name].decode(body) == [0.25, 0.75]

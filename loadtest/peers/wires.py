"""What each peer wants a request to look like over HTTP, and where in its answer the probabilities are."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass

from urllib3.filepost import encode_multipart_formdata

Request = tuple[dict[str, str], bytes]
"""Headers and body."""


@dataclass(frozen=True)
class Wire:
    """``encode`` makes the request of an encoded picture; ``decode`` reads the probabilities out of an answer's body.

    ``decode`` raises ValueError, KeyError, IndexError or TypeError where they are not in it.
    """

    path: str
    encode: Callable[[bytes], Request]
    decode: Callable[[bytes], list[float]]


def _multipart(field: str) -> Callable[[bytes], Request]:
    def encode(picture: bytes) -> Request:
        body, kind = encode_multipart_formdata({field: ("picture.jpg", picture, "image/jpeg")})
        return {"Content-Type": kind}, body

    return encode


def _raw(picture: bytes) -> Request:
    return {"Content-Type": "application/octet-stream"}, picture


def _base64(picture: bytes) -> Request:
    return _json({"image": base64.b64encode(picture).decode()})


def _v2_base64(picture: bytes) -> Request:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1, 1], "parameters": {"content_type": "base64"}}
    return _json({"inputs": [{**tensor, "data": [base64.b64encode(picture).decode()]}]})


def _v2_binary(picture: bytes) -> Request:
    body = len(picture).to_bytes(4, "little") + picture
    parameters = {"binary_data_size": len(body)}
    head = json.dumps(
        {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1, 1], "parameters": parameters}]}
    ).encode()
    return {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}, head + body


def _json(value: object) -> Request:
    return {"Content-Type": "application/json"}, json.dumps(value).encode()


def _list(body: bytes) -> list[float]:
    return [float(value) for value in json.loads(body)]


def _first(body: bytes) -> list[float]:
    return [float(value) for value in json.loads(body)[0]]


def _v2(body: bytes) -> list[float]:
    return [float(value) for value in json.loads(body)["outputs"][0]["data"]]


WIRES = {
    "multipart file": Wire("/classify", _multipart("file"), _list),
    "multipart images": Wire("/classify", _multipart("images"), _first),
    "json base64": Wire("/predict", _base64, _list),
    "raw": Wire("/", _raw, _list),
    "raw predictions": Wire("/predictions/classify", _raw, _list),
    "v2 base64": Wire("/v2/models/classify/infer", _v2_base64, _v2),
    "v2 binary": Wire("/v2/models/classify/infer", _v2_binary, _v2),
}

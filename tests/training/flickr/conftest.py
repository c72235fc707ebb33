"""A real web server that answers as Flickr's REST API and its picture store do, faults included."""

import json
import re
import socket
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import cv2
import numpy as np
import pytest

LICENCES = [
    {"id": "0", "name": "All Rights Reserved", "url": ""},
    {"id": "2", "name": "Attribution-NonCommercial License", "url": "https://creativecommons.org/licenses/by-nc/2.0/"},
    {"id": "4", "name": "Attribution License", "url": "https://creativecommons.org/licenses/by/2.0/"},
    {"id": "7", "name": "No known copyright restrictions", "url": "https://www.flickr.com/commons/usage/"},
    {"id": "9", "name": "Public Domain Dedication (CC0)", "url": "https://creativecommons.org/publicdomain/zero/1.0/"},
    {"id": "10", "name": "Public Domain Mark", "url": "https://creativecommons.org/publicdomain/mark/1.0/"},
    {"id": "11", "name": "Attribution 4.0 License", "url": "https://creativecommons.org/licenses/by/4.0/"},
    {"id": "42", "name": "Some New Licence", "url": "https://example.org/new"},
]


def jpeg(seed: int, width: int = 1100, height: int = 800, quality: int = 80) -> bytes:
    """A photograph of soft blobs; another seed is another picture, another size or quality a copy of it."""
    blobs = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    picture = cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


class FlickrServer:
    """``pools`` by group id, newest first; ``pictures`` by path. ``faults`` are used up one a request, oldest first."""

    key = "a-key"

    def __init__(self) -> None:
        self.pools: dict[str, list[dict[str, Any]]] = {}
        self.members_only: set[str] = set()
        self.pictures: dict[str, bytes] = {}
        self.sizes: dict[str, list[dict[str, Any]]] = {}
        self.largest_page = 500
        self.faults: defaultdict[str, deque[str]] = defaultdict(deque)
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.calls: list[dict[str, str]] = []
        self.hang_up: Callable[[int], bool] = lambda _: False
        """Called for each picture with how many have been asked for; true leaves the client without an answer."""
        self.after_page: Callable[[str, int], None] = lambda *_: None
        self.lock = threading.Lock()
        outer = self

        class Handler(_Handler):
            flickr = outer

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._http.server_port}"
        self.url = f"{self.base}/services/rest/"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def add(self, group: str, number: int, owner: str = "77@N01", size: str = "h", **extra: Any) -> str:
        """Put photograph ``number`` at the end of a pool; the path at which its bytes are asked for."""
        path = f"/65535/{number}_{size}.jpg"
        self.pictures.setdefault(path, jpeg(number))
        small = f"{self.base}/65535/{number}_m.jpg"
        entry = {"id": str(number), "owner": owner, "ownername": f"Ann {owner}", "title": f"No. {number}"}
        entry |= {"license": "4", "datetaken": "2012-05-01 12:00:00", "datetakenunknown": "0", "media": "photo"}
        entry |= {"url_m": small, f"url_{size}": self.base + path}
        self.pools.setdefault(group, []).append(entry | extra)
        return path

    def answer(self, call: dict[str, str]) -> dict[str, Any]:
        """The JSON that Flickr gives to ``call``."""
        match call["method"]:
            case "flickr.photos.licenses.getInfo":
                return {"licenses": {"license": LICENCES}, "stat": "ok"}
            case "flickr.urls.lookupGroup":
                name = call["url"].rstrip("/").rpartition("/")[2]
                return {"group": {"id": name}, "stat": "ok"} if name in self.pools else _fail(1, "Group not found")
            case "flickr.photos.getSizes":
                sizes = self.sizes.get(call["photo_id"])
                return {"sizes": {"size": sizes}, "stat": "ok"} if sizes else _fail(1, "Photo not found")
            case "flickr.groups.pools.getPhotos":
                return self._page(call["group_id"], int(call["page"]), int(call["per_page"]))
        return _fail(112, f'Method "{call["method"]}" not found')

    def _page(self, group: str, page: int, per_page: int) -> dict[str, Any]:
        if group in self.members_only:
            return _fail(2, "You don't have permission to view this pool")
        if group not in self.pools:
            return _fail(1, "Group not found")
        per_page = min(per_page, self.largest_page)
        pool = self.pools[group]
        photos = {"page": page, "pages": -(-len(pool) // per_page), "perpage": per_page, "total": str(len(pool))}
        answer = {"photos": photos | {"photo": pool[(page - 1) * per_page : page * per_page]}, "stat": "ok"}
        self.after_page(group, page)
        return answer


def _fail(code: int, message: str) -> dict[str, Any]:
    return {"stat": "fail", "code": code, "message": message}


class _Handler(BaseHTTPRequestHandler):
    flickr: FlickrServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        call = {name: values[0] for name, values in parse_qs(body).items()}
        key = re.search(r'oauth_consumer_key="([^"]*)"', self.headers.get("Authorization", ""))
        with self.flickr.lock:
            self.flickr.calls.append(call)
            fault = self.flickr.faults["api"].popleft() if self.flickr.faults["api"] else None
            if key is None or key[1] != self.flickr.key:
                answer = _fail(100, "Invalid API Key (Key has invalid format)")
            else:
                answer = self.flickr.answer(call)
        self._send(json.dumps(answer).encode(), "application/json", fault)

    def do_GET(self) -> None:
        with self.flickr.lock:
            self.flickr.asked[self.path] += 1
            number = self.flickr.asked.total()
            faults = self.flickr.faults[self.path]
            fault = faults.popleft() if faults else None
        if self.flickr.hang_up(number):
            self.close_connection = True
            return
        data = self.flickr.pictures.get(self.path)
        if data is None:
            fault = "404"
        if self._send(data or b"", "image/jpeg", fault):
            with self.flickr.lock:
                self.flickr.answered[self.path] += 1

    def _send(self, data: bytes, kind: str, fault: str | None) -> bool:
        """Answer, and whether all of ``data`` went out."""
        status, headers = 200, {}
        if fault == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            return False
        if fault == "slow":  # longer than any test waits; ends when the client hangs up
            self.connection.recv(1)
            return False
        if fault in ("html", "html 503"):
            status, data, kind = 503 if "503" in fault else 200, b"<!DOCTYPE html><p>We'll be back</p>", "text/html"
        elif fault == "moved":
            status, data, headers = 302, b"", {"Location": "/photo_unavailable.jpg"}
        elif fault is not None and fault != "truncated":
            code, _, wait = fault.partition(" ")
            status, data, headers = int(code), b"", {"Retry-After": wait} if wait else {}
        self.send_response(status)
        for name, value in ({"Content-Type": kind, "Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if fault == "truncated":
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return False
        self.wfile.write(data)
        return status == 200


@pytest.fixture
def flickr(monkeypatch: pytest.MonkeyPatch) -> Iterator[FlickrServer]:
    """The server, with the environment of a user who has its key."""
    server = FlickrServer()
    monkeypatch.setenv("FLICKR_API_KEY", server.key)
    monkeypatch.setenv("FLICKR_API_SECRET", "a-secret")
    monkeypatch.setenv("FLICKR_API_URL", server.url)
    yield server
    server.close()


@pytest.fixture
def make_jpeg() -> Callable[..., bytes]:
    """`jpeg`, for tests."""
    return jpeg

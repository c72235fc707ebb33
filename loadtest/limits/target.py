"""The server that is measured: one that runs already, or one of our own for as long as a command takes."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psutil

from client import Client, ClientError
from client.transport import SHARED, parse_address
from film.errors import SafelightError
from film.specs import HTTP_PORT, ModelSpec
from serving.server import ServerProcess, on_free_ports

_GRPC_SHARED = f"grpc{SHARED}"
PROTOCOLS = ("grpc", "http", _GRPC_SHARED)
_STILL = 0.3
"""Seconds between two looks at Triton's statistics: it answers first and counts then."""


class TargetError(SafelightError):
    """The server cannot be measured."""


@dataclass(frozen=True)
class Target:
    """``grpc`` and ``http`` are addresses as the client takes them; ``process`` is Triton's id, 0 where unknown."""

    grpc: str
    http: str
    process: int = 0

    @property
    def protocols(self) -> tuple[str, ...]:
        """What it can be asked with; pictures can go through shared memory where it is on this machine."""
        return PROTOCOLS if self.process else tuple(name for name in PROTOCOLS if SHARED not in name)

    def url(self, protocol: str) -> str:
        """Of one of ``PROTOCOLS``."""
        shared = f"{_GRPC_SHARED}://{parse_address(self.grpc).target}"
        return {"grpc": self.grpc, "http": self.http, _GRPC_SHARED: shared}[protocol]

    def computed(self, models: Sequence[str]) -> float:
        """Seconds that the steps of ``models`` have worked since the server began, summed over requests, by Triton.

        Its ``compute_input``, ``compute_infer`` and ``compute_output``; what a Python backend costs on the way to its
        process and back is in there. Read once they stand still. TargetError where the server does not say.
        """
        last = -1.0
        while (now := sum(self._computed(model) for model in models)) != last:
            last = now
            time.sleep(_STILL)
        return now

    def _computed(self, model: str) -> float:
        try:
            with urllib.request.urlopen(f"{self.http}/v2/models/{model}/stats", timeout=30) as answer:
                (told,) = json.load(answer)["model_stats"]
        except (OSError, urllib.error.URLError, ValueError, KeyError) as error:
            raise TargetError(f"{self.http} does not tell the statistics of {model}: {error}") from error
        times: dict[str, Any] = told["inference_stats"]
        return sum(int(times[part]["ns"]) for part in ("compute_input", "compute_infer", "compute_output")) / 1e9


@contextmanager
def opened(host: str, http_host: str, profile: str, models: Sequence[ModelSpec]) -> Iterator[Target]:
    """The server at ``host`` (gRPC) and ``http_host``, or one of our own of ``profile`` where ``host`` is empty.

    Where ``http_host`` is empty it is the same machine and Triton's default port.
    Raises TargetError where nobody answers, ServingError where our own does not start.
    """
    if not host:
        with ServerProcess(replace(on_free_ports(), profile=profile, models=tuple(m.name for m in models))) as server:
            yield Target(server.grpc_url, f"http://{server.http_url}", server.process_id)
        return
    if parse_address(host).is_http or parse_address(host).shares_memory:
        raise TargetError(f"--host {host} is not gRPC: name host:port of that, and --http-host for HTTP.")
    machine, _, port = parse_address(host).target.rpartition(":")
    http = http_host or f"{machine}:{HTTP_PORT}"
    process = listener(int(port)) if parse_address(host).is_loopback else 0
    target = Target(host, http if "://" in http else f"http://{http}", process)
    for url in (target.grpc, target.http):
        try:
            with Client(url) as client:
                client.wait_until_ready(5, [model.name for model in models])
        except ClientError as error:
            raise TargetError(f"{url} cannot be measured: {error}") from error
    yield target


def listener(port: int) -> int:
    """Id of the process of this user that listens on the TCP ``port`` of this machine; 0 where there is none."""
    try:
        found = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return 0
    for one in found:
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid:
            return int(one.pid)
    return 0

"""The peers: what each needs installed, how it is started and asked, and how it may be set."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from film.errors import SafelightError
from film.specs import FILM_ORIGIN

SERVERS = Path(__file__).parent / "servers"
Runtime = Literal["torch", "keras", "openvino"]
RUNTIMES: dict[Runtime, str] = {"torch": "torch==2.13.0", "keras": "keras==3.15.1", "openvino": "openvino==2026.4.1"}
"""What runs a network, and the package that does."""
OURS, CEILING, FOUNDING = "safelight", "ceiling", "founding"


class PeersError(SafelightError):
    """The peers cannot be measured as asked; the message says why, and what to do."""


@dataclass(frozen=True)
class Setting:
    """How a peer is set: processes (or replicas), threads of each one's network, and the largest batch it forms."""

    workers: int
    threads: int
    batch: int

    def __str__(self) -> str:
        return f"{self.workers} x {self.threads} threads, batches to {self.batch}"


Settings = Callable[[int], tuple[Setting, ...]]
"""Cores -> settings, the one that the peer's documentation leads to first; ``--tune`` picks among them."""


def batching(cores: int) -> tuple[Setting, ...]:
    """A worker for each core with batches of eight; one worker with all cores; a worker a core without batches."""
    ways = Setting(cores, 1, 8), Setting(1, cores, 8), Setting(cores, 1, 1)
    return tuple(dict.fromkeys(ways))


def single(cores: int) -> tuple[Setting, ...]:
    """The same for a peer that forms no batches."""
    return tuple(dict.fromkeys((Setting(cores, 1, 1), Setting(1, cores, 1))))


def all_cores(cores: int) -> tuple[Setting, ...]:
    """One process that uses every core, and nothing to choose."""
    return (Setting(1, cores, 1),)


@dataclass(frozen=True)
class Peer:
    """One way to serve.

    ``file`` is its own code; ``packages`` are what its environment gets beside the runtimes, pinned; without any it
    runs in this environment. ``wire`` names one of ``loadtest.peers.wires``; a peer without one runs in process and
    has no users. ``note`` is for the reader of the table.
    """

    name: str
    title: str
    file: Path
    packages: tuple[str, ...]
    wire: str
    settings: Settings
    note: str = ""

    @property
    def requirements(self) -> tuple[str, ...]:
        """All that is installed into its environment; empty for what runs in this one."""
        if not self.packages:
            return ()
        return ("pillow==13.0.0", RUNTIMES["torch"], RUNTIMES["openvino"], *self.packages)

    def runtimes(self, model: str) -> tuple[Runtime, ...]:
        """What it is measured with for ``model``: its own way, and our network where that is another."""
        if self.name in (OURS, CEILING):
            return ("openvino",)
        if self.name == FOUNDING and model == FILM_ORIGIN.name:
            return ("keras", "openvino")
        return ("torch", "openvino")


NUMPY = "numpy==1.26.4"
PEERS = (
    Peer(OURS, "Safelight", Path(__file__).parent / "ours.py", (), "grpc", all_cores, "cpu profile, gRPC"),
    Peer(
        CEILING,
        "no server",
        Path(__file__).parents[1] / "ceiling.py",
        (),
        "",
        all_cores,
        "our decoding and network in processes that have the server's environment, the best of three arrangements in "
        "each round; every picture's answer is checked once, before",
    ),
    Peer(
        FOUNDING,
        "founding way",
        SERVERS / "run_founding.py",
        (RUNTIMES["keras"], NUMPY),
        "",
        all_cores,
        "in process, one picture after the other: Keras for film_origin, PyTorch for negative_condition",
    ),
    Peer(
        "fastapi",
        "FastAPI",
        SERVERS / "serve_fastapi.py",
        ("fastapi==0.165.0", "uvicorn==0.54.0", "python-multipart==0.0.32", NUMPY),
        "multipart file",
        single,
        "forms no batches",
    ),
    Peer("litserve", "LitServe", SERVERS / "serve_litserve.py", ("litserve==0.2.19", NUMPY), "json base64", batching),
    Peer("bentoml", "BentoML", SERVERS / "serve_bentoml.py", ("bentoml==1.4.40",), "multipart images", batching),
    Peer("ray", "Ray Serve", SERVERS / "serve_ray.py", ("ray[serve]==2.60.0",), "raw", batching),
    Peer(
        "mlserver",
        "MLServer",
        SERVERS / "serve_mlserver.py",
        ("mlserver==1.7.1", "uvloop==0.21.0"),  # its workers die under 0.22 and 0.23
        "v2 base64",
        batching,
    ),
    Peer(
        "pytriton",
        "PyTriton",
        SERVERS / "serve_pytriton.py",
        ("nvidia-pytriton==0.7.0", NUMPY),
        "v2 binary",
        batching,
        "its own proxy, without its store in shared memory, which fails under some Pythons 3.11",
    ),
    Peer(
        "torchserve",
        "TorchServe",
        SERVERS / "serve_torchserve.py",
        ("torchserve==0.12.0", "torch-model-archiver==0.12.0", "setuptools==80.9.0", "pyyaml==6.0.3"),
        "raw predictions",
        batching,
        "archived by its authors; needs Java 17",
    ),
)


def peer(name: str, peers: tuple[Peer, ...] = PEERS) -> Peer:
    """The peer called ``name``; PeersError otherwise."""
    for known in peers:
        if known.name == name:
            return known
    raise PeersError(f"There is no peer {name!r}; there is {', '.join(known.name for known in peers)}.")

"""Locust users against one peer, in a process of their own: gevent replaces much of the standard library there.

``python -m loadtest.peers.load`` reads what to do as JSON from its input and writes JSON to its output; ``run`` does
both from another process.
"""

import json
import subprocess
import sys
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from loadtest.peers.answers import Answer
from loadtest.peers.registry import PeersError

PATIENCE = 180
"""Seconds in which every user must have had a first answer, and then the last."""


@dataclass(frozen=True)
class Order:
    """Whom to ask (``url``: http://host:port, or host:port for gRPC), what, and how.

    The pictures are the files of ``folder`` in order of their names. Measuring starts when every one of ``users`` has
    had an answer, and lasts ``seconds``.
    """

    url: str
    wire: str
    model: str
    folder: str
    users: int
    seconds: float


def run(order: Order) -> tuple[list[Answer], tuple[float, float]]:
    """All answers, and from when to when was measured, on their clock; PeersError where Locust fails."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "loadtest.peers.load"],
            input=json.dumps(asdict(order)),
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
            timeout=3 * PATIENCE + order.seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise PeersError("the load did not end in time: the server keeps its users waiting") from error
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise PeersError(f"the load ended with code {done.returncode}: {said}")
    said = json.loads(done.stdout.splitlines()[-1])
    begin, end = said["window"]
    return [Answer(*row) for row in said["answers"]], (begin, end)


def _main() -> None:
    from loadtest.peers.users import ask  # gevent patches this process, and only this one

    order = Order(**json.load(sys.stdin))
    pictures = [path.read_bytes() for path in sorted(Path(order.folder).iterdir())]
    answers, window = ask(order, pictures)
    print(json.dumps({"window": window, "answers": [astuple(answer) for answer in answers]}))


if __name__ == "__main__":
    _main()

"""The founding applications' way, in process: one picture after the other through Pillow and ``predict``.

First argument: a folder of pictures; second: for how many seconds. It writes two lines of JSON: the first answer as
soon as it is there, then all of them, each with when it began and ended in seconds; and ends when its input does.
"""

import json
import sys
import time
from itertools import cycle
from pathlib import Path

from peer_network import load, read


def main() -> None:
    """Answer picture after picture, and say how long each took."""
    pictures = [path.read_bytes() for path in sorted(Path(sys.argv[1]).iterdir())]
    network = load()
    print(json.dumps(network([read(pictures[0])])[0]), flush=True)
    answers = []
    began, start = 0.0, time.perf_counter()
    for index in cycle(range(len(pictures))):
        scores = network([read(pictures[index])])[0]
        ended = time.perf_counter() - start
        answers.append([index, scores, began, ended])
        began = ended
        if ended >= float(sys.argv[2]):
            break
    print(json.dumps({"seconds": ended, "answers": answers}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

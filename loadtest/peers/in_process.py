"""The ceiling: what the same machine does with no server at all, our decoding and our network on every core.

``python -m loadtest.peers.in_process FOLDER SECONDS``, with the same input and output as ``servers/run_founding.py``;
the runner starts both. ``PEER`` in the environment says what to run, as for every peer.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from film.network import load_network
from film.ops.fast import decode_crop_resize
from film.specs import VALID, classifier

BATCH = 16
"""Pictures decoded by all cores, then judged by all cores."""


def main() -> None:
    """Answer batch after batch, as fast as it goes."""
    wanted = json.loads(os.environ["PEER"])
    spec, cores = classifier(wanted["model"]), wanted["threads"]
    blobs = [path.read_bytes() for path in sorted(Path(sys.argv[1]).iterdir())]
    network = load_network(Path(wanted["file"]), streams=cores, precision=wanted["precision"])

    def judge(chosen: list[int]) -> list[list[float]]:
        pixels = np.stack(list(pool.map(lambda index: decode_crop_resize(blobs[index], spec.size), chosen)))
        valid = np.ones((len(chosen), 1), bool)
        scores: list[list[float]] = network({spec.pixels.name: pixels, VALID.name: valid})[
            spec.outputs[0].name
        ].tolist()
        return scores

    with ThreadPoolExecutor(cores) as pool:
        print(json.dumps(judge([0])[0]), flush=True)
        endless = cycle(range(len(blobs)))
        answers: list[tuple[int, list[float], float, float]] = []
        began, start = 0.0, time.perf_counter()
        while began < float(sys.argv[2]):
            chosen = list(islice(endless, BATCH))
            scores = judge(chosen)
            ended = time.perf_counter() - start
            answers += [(*said, began, ended) for said in zip(chosen, scores, strict=True)]
            began = ended
    print(json.dumps({"seconds": began, "answers": answers}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

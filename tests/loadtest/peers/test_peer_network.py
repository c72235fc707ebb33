"""What a peer's own Python runs: where its network's threads may work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from film.specs import FILM_ORIGIN as SPEC
from loadtest.peers.registry import SERVERS
from serving.artefacts import network_file
from serving.settings import DEFAULT_REPOSITORY

ASKED = """
import os
from pathlib import Path
import numpy as np
import peer_network
network = peer_network.load()
network([np.zeros((peer_network.SIZE, peer_network.SIZE, 3), np.uint8)] * 4)
print([len(os.sched_getaffinity(int(thread.name))) for thread in Path("/proc/self/task").iterdir()])
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core")
def test_no_thread_of_one_worker_among_several_is_bound_to_a_core() -> None:
    pytest.importorskip("openvino")
    file: Path = network_file(DEFAULT_REPOSITORY, SPEC, "")
    peer = {"runtime": "openvino", "file": str(file), "size": SPEC.size, "workers": 2, "threads": 1}
    asked = subprocess.run(
        [sys.executable, "-c", ASKED],
        env={**os.environ, "PEER": json.dumps(peer), "PYTHONPATH": str(SERVERS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(json.loads(asked.stdout)) == {len(os.sched_getaffinity(0))}

"""BentoML: a service with adaptive batching; pictures come as an uploaded file."""

import os
import sys

import bentoml
from peer_network import BATCH, HOST, PORT, TIMEOUT, WORKERS, fit, load
from PIL.Image import Image

BATCHING = {"batchable": True, "max_batch_size": BATCH, "max_latency_ms": 1000 * TIMEOUT} if BATCH > 1 else {}


@bentoml.service(workers=WORKERS, traffic={"timeout": TIMEOUT})
class Classifier:
    """One network for each worker."""

    def __init__(self) -> None:
        self.network = load()

    @bentoml.api(**BATCHING)
    def classify(self, images: list[Image]) -> list[list[float]]:
        """The probabilities of each picture."""
        return self.network([fit(image) for image in images])


if __name__ == "__main__":
    command = ["-m", "bentoml", "serve", "serve_bentoml:Classifier", "--host", HOST, "--port", str(PORT)]
    os.execv(sys.executable, [sys.executable, *command])

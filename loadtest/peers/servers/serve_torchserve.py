"""TorchServe: a handler with batching, packed into an archive; the body is the picture. Needs Java."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from peer_network import BATCH, FOLDER, HOST, MORE_PORTS, PORT, TIMEOUT, WORKERS, load, read


class Handler:
    """One network for each worker; TorchServe finds this class by its methods."""

    def initialize(self, context: Any) -> None:
        """Load the network."""
        self.network = load()

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[list[float]]:
        """The probabilities of each picture of a batch."""
        return self.network([read(bytes(row.get("body") or row["data"])) for row in data])


if __name__ == "__main__":
    here, folder = Path(__file__).parent, Path(FOLDER)
    tools = Path(sys.executable).parent
    pack = ["--model-name", "classify", "--version", "1", "--handler", str(here / "serve_torchserve.py")]
    more = ["--extra-files", str(here / "peer_network.py"), "--export-path", str(folder)]
    subprocess.run([str(tools / "torch-model-archiver"), *pack, *more], check=True)
    management, metrics = MORE_PORTS
    model = f'"minWorkers": {WORKERS}, "maxWorkers": {WORKERS}, "batchSize": {BATCH}, "maxBatchDelay": 10'
    properties = f"""inference_address=http://{HOST}:{PORT}
management_address=http://{HOST}:{management}
metrics_address=http://{HOST}:{metrics}
enable_grpc=false
disable_token_authorization=true
job_queue_size=1000
default_response_timeout={TIMEOUT}
models={{"classify": {{"1": {{"marName": "classify.mar", {model}, "responseTimeout": {TIMEOUT}}}}}}}
"""
    (folder / "config.properties").write_text(properties)
    os.environ["LOG_LOCATION"] = os.environ["METRIC_LOCATION"] = str(folder)
    os.environ["PATH"] = f"{tools}:{os.environ['PATH']}"  # it starts its workers as "python"
    os.chdir(folder)  # it makes a folder for logs wherever it is
    start = ["--start", "--foreground", "--model-store", str(folder), "--models", "classify=classify.mar"]
    options = ["--ts-config", str(folder / "config.properties"), "--disable-token-auth"]
    os.execv(str(tools / "torchserve"), ["torchserve", *start, *options])

"""LitServe: requests as JSON with the picture in base64, batched, in as many workers as wanted."""

import base64
from typing import Any

import litserve
from peer_network import BATCH, HOST, PORT, TIMEOUT, WORKERS, Pixels, load, read


class Classifier(litserve.LitAPI):
    """One network for each worker."""

    def setup(self, device: str) -> None:
        """Load the network."""
        self.network = load()

    def decode_request(self, request: dict[str, str]) -> Pixels:
        """Base64 -> pixels."""
        return read(base64.b64decode(request["image"]))

    def batch(self, inputs: list[Pixels]) -> list[Pixels]:
        """Not stacked: the network does that."""
        return list(inputs)

    def predict(self, x: Any) -> Any:
        """A batch, or one picture where batches are of one."""
        return self.network(x) if isinstance(x, list) else self.network([x])[0]

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        """A list has one entry for each already."""
        return output

    def encode_response(self, output: list[float]) -> list[float]:
        """The probabilities."""
        return output


if __name__ == "__main__":
    api = Classifier(max_batch_size=BATCH, batch_timeout=0.01 if BATCH > 1 else 0.0)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=WORKERS, timeout=TIMEOUT)
    server.run(host=HOST, port=PORT, generate_client_file=False, log_level="warning")

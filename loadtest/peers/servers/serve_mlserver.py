"""MLServer: a runtime of one's own with adaptive batching, KServe v2 as JSON with the picture in base64."""

import json
import os
import sys
from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.codecs import Base64Codec, NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from peer_network import BATCH, FOLDER, HOST, MORE_PORTS, PORT, WORKERS, load, read


class Classifier(MLModel):
    """One network for each parallel worker."""

    async def load(self) -> bool:
        """Load the network."""
        self.network = load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The probabilities of each picture of a batch."""
        pictures = Base64Codec.decode_input(payload.inputs[0])
        scores = np.array(self.network([read(picture) for picture in pictures]), np.float32)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("scores", scores)])


if __name__ == "__main__":
    folder = Path(FOLDER)
    grpc, metrics = MORE_PORTS
    ports = {"http_port": PORT, "grpc_port": grpc, "metrics_port": metrics}
    # One worker needs no pool: 0 runs the model in the server's own process.
    parallel = {"parallel_workers": WORKERS if WORKERS > 1 else 0}
    (folder / "settings.json").write_text(json.dumps({"host": HOST, **ports, **parallel, "debug": False}))
    batching = {"max_batch_size": BATCH, "max_batch_time": 0.01} if BATCH > 1 else {}
    model = {"name": "classify", "implementation": "serve_mlserver.Classifier", **batching}
    (folder / "model-settings.json").write_text(json.dumps(model))
    os.execv(str(Path(sys.executable).with_name("mlserver")), ["mlserver", "start", str(folder)])

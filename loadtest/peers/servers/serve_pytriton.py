"""PyTriton as its documentation has it: a function bound to Triton behind its own proxy, dynamic batching."""

import os
from typing import Any

import numpy as np
from peer_network import BATCH, HOST, MORE_PORTS, PORT, WORKERS, load, read
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


def function() -> Any:
    """An inference function with a network of its own."""
    network = load()

    @batch
    def classify(image: Any) -> dict[str, Any]:
        """Encoded pictures, bytes (n, 1) -> probabilities (n, 2)."""
        return {"SCORES": np.array(network([read(picture) for picture in image[:, 0]]), np.float32)}

    return classify


if __name__ == "__main__":
    # Its store in shared memory asks a lock for what the interpreter in Triton's stub lacks under Python 3.11.7
    # (RLock._recursion_count): requests then go to this process in messages.
    os.environ["PYTRITON_NO_TENSORSTORE"] = "1"
    grpc, metrics = MORE_PORTS
    ports = {"http_port": PORT, "grpc_port": grpc, "metrics_port": metrics}
    with Triton(config=TritonConfig(http_address=HOST, grpc_address=HOST, **ports)) as triton:
        triton.bind(
            model_name="classify",
            infer_func=[function() for _ in range(WORKERS)],
            inputs=[Tensor(name="image", dtype=bytes, shape=(1,))],
            outputs=[Tensor(name="SCORES", dtype=np.float32, shape=(2,))],
            config=ModelConfig(max_batch_size=BATCH, batcher=DynamicBatcher(max_queue_delay_microseconds=10_000)),
        )
        triton.serve()

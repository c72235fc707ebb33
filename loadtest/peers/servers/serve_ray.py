"""Ray Serve: replicas of a deployment, requests batched by ``serve.batch``; the body is the picture."""

import signal

import ray
from peer_network import BATCH, HOST, PORT, WORKERS, load, read
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=WORKERS, ray_actor_options={"num_cpus": 1}, max_ongoing_requests=100)
class Classifier:
    """One network for each replica."""

    def __init__(self) -> None:
        self.network = load()

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=0.01)
    async def classify(self, pictures: list[bytes]) -> list[list[float]]:
        """The probabilities of each picture."""
        return self.network([read(picture) for picture in pictures])

    async def __call__(self, request: Request) -> list[float]:
        """One request."""
        scores: list[float] = await self.classify(await request.body())
        return scores


if __name__ == "__main__":
    ray.init(num_cpus=WORKERS, include_dashboard=False, logging_level="warning")
    serve.start(http_options={"host": HOST, "port": PORT})
    serve.run(Classifier.bind(), route_prefix="/")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()

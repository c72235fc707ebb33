"""What Triton counts of each model: requests, batches, and the time in the queue and in computing.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import tritonclient.grpc
import tritonclient.http

from client.transport import parse_address

NANO = 1e-9


@dataclass(frozen=True)
class Counts:
    """Since the model was loaded. ``requests`` are those that succeeded; times are seconds summed over them.

    ``batches`` are executions; a batch may have pictures of several requests. ``given`` and ``taken`` are the time of
    moving tensors in and out.
    """

    requests: int = 0
    failures: int = 0
    pictures: int = 0
    batches: int = 0
    queue: float = 0.0
    given: float = 0.0
    compute: float = 0.0
    taken: float = 0.0

    def __sub__(self, earlier: "Counts") -> "Counts":
        """What came to it since ``earlier``."""
        return Counts(*(getattr(self, f.name) - getattr(earlier, f.name) for f in fields(self)))


class Statistics:
    """Asks a running server; use it in one thread, and close it there. ``url`` as ``client.Client`` takes it."""

    def __init__(self, url: str) -> None:
        address = parse_address(url)
        module = tritonclient.http if address.is_http else tritonclient.grpc
        self._options = {} if address.is_http else {"as_json": True}
        self._client = module.InferenceServerClient(address.target, ssl=address.secure)

    def read(self) -> dict[str, Counts]:
        """The counts of every model that is loaded, by name; InferenceServerException where nobody answers."""
        told = self._client.get_inference_statistics(**self._options)
        return {model["name"]: _counts(model) for model in told["model_stats"]}

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()


def difference(later: Mapping[str, Counts], earlier: Mapping[str, Counts]) -> dict[str, Counts]:
    """What each model did in between; models that were not asked are left out."""
    gained = {name: counts - earlier.get(name, Counts()) for name, counts in later.items()}
    return {name: counts for name, counts in sorted(gained.items()) if counts.requests or counts.failures}


def _counts(model: Mapping[str, Any]) -> Counts:
    stats = model["inference_stats"]

    def seconds(name: str) -> float:
        return int(stats.get(name, {}).get("ns", 0)) * NANO

    return Counts(
        requests=int(stats.get("success", {}).get("count", 0)),
        failures=int(stats.get("fail", {}).get("count", 0)),
        pictures=int(model.get("inference_count", 0)),
        batches=int(model.get("execution_count", 0)),
        queue=seconds("queue"),
        given=seconds("compute_input"),
        compute=seconds("compute_infer"),
        taken=seconds("compute_output"),
    )

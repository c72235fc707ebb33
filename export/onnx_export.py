"""One classifier, from trained weights to a published ONNX file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.graphs import Exportable
from export.onnx_file import OPSET, write_onnx
from export.parity import BATCHES, check_parity
from export.pictures import parity_pictures
from export.publish import publish, sha256, tool_versions, version_folder
from film.specs import ONNX_TOLERANCE


@dataclass(frozen=True)
class Published:
    """A file that passed the gate: where it is, and how far each runtime is from the trained network."""

    path: Path
    differences: Mapping[str, float]


def export_model(model: Exportable, weights: Path, repository: Path, samples: Path) -> Published:
    """Export ``weights`` into ``repository``, if the file answers as they do on the pictures under ``samples``.

    Raises ParityError (nothing is published then), or what loading the weights raises.
    """
    spec, graph = model.spec, model.serving_graph(weights)
    pictures = parity_pictures(spec, samples)
    differences: dict[str, float] = {}

    def write(path: Path) -> dict[str, Any]:
        write_onnx(graph, spec, path)
        differences.update(check_parity(graph, spec, path, pictures))
        return {
            "model": spec.network_model,
            "format": f"ONNX opset {OPSET}, FP16 weights, FP32 arithmetic",
            "weights": {"file": weights.name, "sha256": sha256(weights)},
            "parity": {
                "tolerance": ONNX_TOLERANCE,
                "largest_difference": differences,
                "pictures": len(pictures),
                "batches": list(BATCHES),
            },
            "tools": tool_versions(),
        }

    return Published(publish(version_folder(repository, spec), write), differences)

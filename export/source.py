"""What is exported: trained weights, the graph made of them, and the pictures that files are judged on."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from export.errors import ExportError
from export.graphs import Exportable, FilmOriginExplainGraph, FilmOriginGraph
from export.labelled import Labelled, Pictures
from export.onnx_file import write_onnx
from export.parity import answers
from export.pictures import parity_pictures
from export.publish import sha256
from export.typed_network import Judge, TypedNetwork, typed_network
from film.specs import ModelSpec

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Source:
    """One model's ``weights`` on their way into files; what several formats need is made once, when it is first asked.

    ``pictures`` says where labelled pictures come from; ``device`` is where files that run in PyTorch will run;
    ``route`` is how a Keras network becomes ONNX, one of ``export.keras_onnx.ROUTES``.
    """

    model: Exportable
    weights: Path
    samples: Path
    pictures: Pictures
    device: torch.device = CPU
    route: str = "torch"

    @property
    def spec(self) -> ModelSpec:
        """Of the model."""
        return self.model.spec

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the weights that every file is made of; ExportError where there are none."""
        if not self.weights.is_file():
            raise ExportError(f"{self.weights} does not exist. Train the network first: make train.")
        return sha256(self.weights)

    @cached_property
    def graph(self) -> nn.Module:
        """The serving graph of the trained network itself: what every file must answer like."""
        return self._loaded()

    @cached_property
    def for_gpus(self) -> nn.Module:
        """The same, which measures grain in one piece."""
        if not isinstance(self.graph, FilmOriginGraph | FilmOriginExplainGraph):
            return self.graph
        from training.grain import in_one_piece

        graph = self._loaded()
        return graph if in_one_piece(graph.network) else self.graph

    @cached_property
    def torch_graph(self) -> nn.Module:
        """The same in PyTorch alone: a Keras network is made again of PyTorch's layers, with the same weights."""
        if not isinstance(self.graph, FilmOriginGraph):
            return self.for_gpus
        from export.keras_torch import torch_network

        return FilmOriginGraph(torch_network(self.graph.network)).eval()

    @cached_property
    def judged_on(self) -> NDArray[np.uint8]:
        """Pictures for the parity gate, uint8 [n, size, size, 3]."""
        return parity_pictures(self.spec, self.samples)

    @cached_property
    def truth(self) -> Mapping[str, NDArray[Any]]:
        """What the trained network says of ``judged_on``."""
        return answers(self.graph, self.spec, self.judged_on)

    @cached_property
    def labelled(self) -> Labelled:
        """Labelled pictures, to see whether verdicts stay right."""
        return self.pictures.labelled(self.spec)

    @cached_property
    def labelled_truth(self) -> Mapping[str, NDArray[Any]]:
        """What the trained network says of the ``labelled`` pictures."""
        return answers(self.graph, self.spec, self.labelled.pixels)

    @cached_property
    def typed(self) -> TypedNetwork:
        """For engines: the network with the type of every operation chosen."""
        exported = self._onnx if self.for_gpus is self.graph else self._exported(self.for_gpus)
        return typed_network(exported, Judge(self.spec, self.truth, self.judged_on))

    def write_onnx(self, path: Path) -> None:
        """Write the graph to ``path`` as ONNX, by the route that was asked for."""
        path.write_bytes(self._onnx)

    def _loaded(self) -> nn.Module:
        expected = self.digest
        graph = self.model.serving_graph(self.weights)
        self._check(expected)
        return graph

    def _check(self, expected: str) -> None:
        """ExportError where a training wrote other weights meanwhile: files would be of both."""
        if sha256(self.weights) != expected:
            raise ExportError(f"{self.weights} has changed while it was exported. Export it again.")

    @cached_property
    def _onnx(self) -> bytes:
        return self._exported(self.graph)

    def _exported(self, graph: nn.Module) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.onnx")
            if self.route == "torch" or not isinstance(graph, FilmOriginGraph):
                write_onnx(graph, self.spec, path)
            else:
                from export.keras_onnx import write_by_route

                write_by_route(self.route, self.weights, self.spec, path, in_strips=graph is self.graph)
                self._check(self.digest)
            return path.read_bytes()

"""What can be said of the pipelines for a GPU without one."""

from pathlib import Path

import numpy as np
import pytest
from nvidia.dali import Pipeline, fn
from nvidia.dali.data_node import DataNode

from film import gate, specs
from film.ops.dali import graphs
from film.ops.dali.runner import Runner

DEFINED = {
    "classifier": lambda device, number: graphs.classifier_pipeline(specs.FILM_ORIGIN.size, device, number),
    "inversion": lambda device, number: graphs.inversion_pipeline(device, number),
}
NEGATIVE = (Path(__file__).parents[2] / "samples" / "negatives" / "sign.jpg").read_bytes()
OLD_EXECUTOR = {"exec_dynamic": False, "exec_pipelined": False, "exec_async": False}
"""Servers may run a pipeline with it; it brings nothing back from a GPU."""


def test_on_a_gpu_the_hardware_gets_all_that_it_can_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where DALI shares a batch out, the same picture has other pixels beside others."""
    image, options = fn.decoders.image, []

    def look(*inputs: DataNode, **given: object) -> DataNode:
        options.append(given)
        return image(*inputs, **given)

    monkeypatch.setattr(fn.decoders, "image", look)
    assert graphs.classifier_pipeline(244, "gpu", 0, threads=7)().num_threads == 7
    assert graphs.classifier_pipeline(244, "cpu")().num_threads == specs.DALI_THREADS
    assert [given.get("hw_decoder_load") for given in options] == [1.0, None]


@pytest.mark.parametrize("name", DEFINED)
def test_on_a_gpu_nothing_comes_back_to_the_cpu(name: str) -> None:
    definition = DEFINED[name]("gpu", 0)(**OLD_EXECUTOR)
    with pytest.raises(RuntimeError, match="CUDA is not available"):
        definition.serialize()  # the graph itself was accepted; had it not been, this test would not get here


@pytest.mark.parametrize("name", DEFINED)
def test_a_serialised_pipeline_gives_the_same_with_either_executor(name: str) -> None:
    define = DEFINED[name]("cpu", graphs.NO_DEVICE)
    pictures = [np.frombuffer(blob, np.uint8) for blob in (NEGATIVE, gate.pixmap(np.full((3, 5, 3), 9, np.uint8)))]
    rows = list(gate.Gated(pictures, np.ones((2, 1), np.bool_), ["", ""]).encoded)  # of one length, as Triton has them
    wanted = Runner(define)(rows)
    old = Pipeline.deserialize(serialized_pipeline=define().serialize(), prefetch_queue_depth=1, **OLD_EXECUTOR)
    old.build()
    old.feed_input(specs.ENCODED.name, rows)
    for output, expected in zip(old.run(), wanted, strict=True):
        np.testing.assert_array_equal(output.as_array(), expected.as_array())

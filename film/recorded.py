"""A network on a GPU as recordings of its launches: CUDA graphs, one for each size that a batch is made up to.

The host needs as long to launch a network as the GPU needs for a few pictures. A recording is launched in one call.
"""

from collections.abc import Callable, Sequence
from typing import Any

from film.specs import MAX_BATCH, PARITY_TOLERANCE, VALID, ModelSpec

SIZES = (1, 2, 4, *range(8, MAX_BATCH + 1, 8))
"""Of recorded batches. What comes is made up to the next: at most as many again of the few, and seven of the many."""
WARM_UP = 3
"""Runs before a recording, in which libraries choose their algorithms and take their memory."""
Network = Callable[[Any, Any], tuple[Any, ...]]
"""PIXELS and VALID on a GPU to the outputs there."""


class Recorded:
    """``network`` recorded for ``spec`` on the GPU ``device``, in batches of ``sizes``.

    It is to be called by one thread at a time. Raises whatever torch does where the network cannot be recorded, as it
    fetches something from the host or the GPU's memory is too small. What is loaded already is of use after that;
    torch's generator of random numbers is not, so that nothing can be compiled in this process any more.
    """

    def __init__(self, network: Network, spec: ModelSpec, device: str, sizes: Sequence[int] = SIZES) -> None:
        import torch

        self._outputs = spec.outputs
        self._inputs = (
            torch.zeros(max(sizes), *spec.pixels.shape, dtype=torch.uint8, device=device),
            torch.ones(max(sizes), *VALID.shape, dtype=torch.bool, device=device),
        )
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        # A recording that is broken off keeps its pool as long as the process lasts: let it be a small one's.
        record(network, [given[:1] for given in self._inputs], None, stream)
        # One stream, as libraries keep memory for each; the largest first: the others find all that they need.
        pool = torch.cuda.graph_pool_handle()
        self._graphs = {
            size: record(network, [given[:size] for given in self._inputs], pool, stream)
            for size in sorted(sizes, reverse=True)
        }

    def __call__(self, pixels: Any, valid: Any) -> tuple[Any, ...]:
        """UINT8 ``pixels`` (n, size, size, 3) and BOOL ``valid`` (n, 1), of at most the largest recorded size, to the
        outputs."""
        count = len(pixels)
        graph, outputs = self._graphs[min(size for size in self._graphs if size >= count)]
        for kept, given in zip(self._inputs, (pixels, valid), strict=True):
            kept[:count].copy_(given)  # behind them lie earlier pictures, whose answers are thrown away
        graph.replay()
        return tuple(output[:count].clone() for output in outputs)  # the next run writes over them

    def check(self, network: Network) -> None:
        """AssertionError where a recording, of whatever size, answers otherwise than ``network`` does when launched.

        By no more than reduced precision may be off, as a batch that is made up to another size has other algorithms.
        """
        import torch

        pixels, valid = self._inputs
        generator = torch.Generator(pixels.device).manual_seed(0)
        for count in sorted({*self._graphs, *(size - 1 for size in self._graphs if size > 2)}):
            shape, device = pixels[:count].shape, pixels.device
            drawn = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8, device=device)
            some = torch.rand(valid[:count].shape, generator=generator, device=device) < _MOSTLY
            for tensor, said, wanted in zip(self._outputs, self(drawn, some), network(drawn, some), strict=True):
                allowed = PARITY_TOLERANCE["fp16"] * tensor.slack
                if not torch.allclose(said, wanted, rtol=0, atol=allowed, equal_nan=True):
                    raise AssertionError(f"{tensor.name} is off by more than {allowed:g} in a batch of {count}")


_MOSTLY = 0.8
"""Share of valid pictures."""


def record(
    network: Network, inputs: Sequence[Any], pool: Any = None, stream: Any = None
) -> tuple[Any, tuple[Any, ...]]:
    """A graph that has ``network`` read ``inputs`` where they lie, and the outputs that it writes when it is replayed.

    Its memory is from ``pool``, which others may share that are never replayed beside it. It is warmed up and recorded
    on ``stream``, one of its own unless it is given.
    """
    import torch

    stream = stream or torch.cuda.Stream(inputs[0].device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # which puts the stream back that was there, also after a failure
        for _ in range(WARM_UP):
            network(*inputs)
        graph = torch.cuda.CUDAGraph()
        # DALI's threads may ask for memory meanwhile.
        with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
            outputs = network(*inputs)
    torch.cuda.current_stream().wait_stream(stream)
    return graph, outputs

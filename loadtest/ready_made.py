"""A wire for senders that should cost less: each request is put into bytes once, and sent as those ever after.

Whoever shares the machine with the server takes what sending costs from it; strangers, who send from machines of their
own, would not. What is saved, and what is not, is in docs/performance.md.
"""

from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import InferResult, service_pb2
from tritonclient.utils import InferenceServerException, serialize_byte_tensor

from client.grpc_transport import GrpcTransport, channel_options
from client.transport import Address, Request, Response
from client.triton import output_arrays, translated
from film.specs import IMAGE

_METHOD = "/inference.GRPCInferenceService/ModelInfer"


class ReadyMade(GrpcTransport):
    """gRPC for asyncio, without encryption, that keeps what it has sent: for a few pictures that are sent for ever."""

    def __init__(self, address: Address) -> None:
        super().__init__(address, asynchronous=True)
        self._target, self._options = address.target, channel_options(address)
        self._made: dict[Any, bytes] = {}
        self._channel: Any = None

    async def infer(self, request: Request, timeout: float) -> Response:
        """Send one request, once."""
        key = (request.model, *request.images)
        if key not in self._made:
            self._made[key] = _message(request)
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._target, options=self._options)
        send = self._channel.unary_unary(_METHOD, response_deserializer=service_pb2.ModelInferResponse.FromString)
        try:
            response = await send(self._made[key], timeout=timeout)
        except grpc.aio.AioRpcError as error:
            told = InferenceServerException(error.details(), status=str(error.code()))
            raise translated(told, self.address, timeout) from error
        return output_arrays(InferResult(response), request)

    async def close(self) -> None:
        """Close the channels."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()
        await super().close()


def _message(request: Request) -> bytes:
    """A ModelInferRequest, as tritonclient makes them."""
    message = service_pb2.ModelInferRequest(model_name=request.model)
    message.inputs.add(name=IMAGE.name, datatype=IMAGE.dtype, shape=[len(request.images), *IMAGE.shape])
    for name in request.outputs:
        message.outputs.add(name=name)
    message.raw_input_contents.append(serialize_byte_tensor(np.array([*request.images], np.object_)).item())
    made: bytes = message.SerializeToString()
    return made

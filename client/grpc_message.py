"""A request as gRPC's bytes: what is small through protobuf's classes, the pictures joined on behind it.

tritonclient's ``infer`` copies a picture several times on its way into a message (docs/performance.md says what that
costs). A message that another's bytes are appended to is the two merged (protobuf's encoding, "Last one wins"), so the
last field, the content of the tensors, can be written by hand and copied once.
"""

from tritonclient.grpc import service_pb2

from client.shared_memory import Shared
from client.transport import Request
from client.triton import elements, elements_size
from film.specs import IMAGE

_LENGTH_DELIMITED = 2
"""The wire type of bytes."""


def infer_request(request: Request, shared: Shared | None) -> bytes:
    """A serialised ModelInferRequest. Pictures that are in memory that is ``shared`` are named, others are in it."""
    message = service_pb2.ModelInferRequest(model_name=request.model)
    image = message.inputs.add(name=IMAGE.name, datatype=IMAGE.dtype, shape=[len(request.images), *IMAGE.shape])
    for name in request.outputs:
        message.outputs.add(name=name)
    if shared is not None:
        image.parameters["shared_memory_region"].string_param = shared.region
        image.parameters["shared_memory_byte_size"].int64_param = shared.size
        return bytes(message.SerializeToString())
    size = elements_size(request.images)
    return b"".join((message.SerializeToString(), _RAW_INPUT_CONTENTS, _varint(size), *elements(request.images)))


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the highest bit set."""
    coded = bytearray()
    while value > 0x7F:
        coded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*coded, value])


def _tag(field: str) -> bytes:
    number = service_pb2.ModelInferRequest.DESCRIPTOR.fields_by_name[field].number
    return _varint(number << 3 | _LENGTH_DELIMITED)


_RAW_INPUT_CONTENTS = _tag("raw_input_contents")

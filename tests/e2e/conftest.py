"""Stock clients of Triton, and pictures to send with them."""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from PIL import Image

from film import images, specs
from serving import known_picture
from serving.settings import DEFAULT_REPOSITORY

Ask = Callable[..., dict[str, np.ndarray]]


def bytes_input(module: Any, blobs: Sequence[bytes], shape: Sequence[int] = (-1, 1)) -> Any:
    array = np.array(blobs, np.object_).reshape(shape)
    tensor = module.InferInput(specs.IMAGE.name, list(array.shape), specs.IMAGE.dtype)
    tensor.set_data_from_numpy(array)
    return tensor


@pytest.fixture(params=["grpc", "http"])
def stock(request: pytest.FixtureRequest, server: Any) -> Iterator[tuple[Any, Any]]:
    """tritonclient's module and a client of its, for each protocol."""
    module = {"grpc": tritonclient.grpc, "http": tritonclient.http}[request.param]
    with module.InferenceServerClient(getattr(server, f"{request.param}_url")) as client:
        yield module, client


@pytest.fixture
def ask(stock: tuple[Any, Any]) -> Ask:
    """One request: encoded pictures in, every output by name; with ``classes``, labels instead of numbers."""
    module, client = stock

    def infer(model: str, blobs: Sequence[bytes], *, classes: int = 0, **shape: Any) -> dict[str, np.ndarray]:
        outputs = None
        if classes:
            labelled = [output.name for output in specs.classifier(model).outputs if output.labels]
            outputs = [module.InferRequestedOutput(name, class_count=classes) for name in labelled]
        answer = client.infer(model, [bytes_input(module, blobs, **shape)], outputs=outputs)
        response = answer.get_response()
        tensors = response["outputs"] if isinstance(response, dict) else response.outputs
        names = [tensor["name"] if isinstance(tensor, dict) else tensor.name for tensor in tensors]
        return {name: answer.as_numpy(name) for name in names}

    return infer


@pytest.fixture(scope="session")
def photograph() -> bytes:
    """The photograph that the server warms up with."""
    return known_picture.read(DEFAULT_REPOSITORY)


@pytest.fixture(scope="session")
def photographs(photograph: bytes) -> list[bytes]:
    """Eight different good pictures of four formats: parts of the photograph."""
    pixels = images.decode(photograph)
    height, width = pixels.shape[:2]
    made = []
    for number in range(8):
        file = io.BytesIO()
        part = pixels[number * 20 : height - number * 10, number * 15 : width - number * 25]
        Image.fromarray(part).save(file, ("JPEG", "PNG", "WEBP", "TIFF")[number % 4])
        made.append(file.getvalue())
    return made


@pytest.fixture(scope="session")
def repository() -> Path:
    """The model repository that is served."""
    return DEFAULT_REPOSITORY

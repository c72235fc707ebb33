"""A known picture must get a known answer before a server may say that it is ready.

Guards against a server that runs and answers nonsense: Triton's Python models in another Python than ours, with
another `film`, or with a numpy whose arrays it cannot read (it then sends empty tensors and no error). Nothing here
depends on the weights: the server's answer to encoded bytes is compared with its answer to the pixels that this
process makes of them.
"""

import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as triton
from numpy.typing import NDArray
from PIL import Image
from tritonclient.utils import InferenceServerException

from film import images, specs
from film.errors import ImageError
from film.preprocess import invert, preprocess
from serving import known_picture
from serving.errors import ServingError, Unreachable

_SECONDS = 60
_PAUSE_SECONDS = 0.2
_NO_PICTURE = b"this is not a picture"
_TYPES = {"BYTES": np.object_, "BOOL": np.bool_, "UINT8": np.uint8, "FP32": np.float32}


def prove(address: str, models: Sequence[str], repository: Path, tolerance: float, patience: float) -> None:
    """Send the known picture, and bytes that are none, to each public model; ServingError where an answer is wrong.

    Its decoder may be another than ours: ``tolerance`` is how far a probability may be from that of our pixels. Others
    may ask it already: for ``patience`` seconds in all a request that finds it busy is sent again.
    """
    picture = known_picture.read(repository)
    with _Patient(address, time.monotonic() + patience) as client:
        for model in models:
            try:
                if model == specs.INVERSION_MODEL:
                    _prove_inversion(client, picture)
                else:
                    _prove_classifier(client, specs.classifier(model), picture, tolerance)
            except InferenceServerException as error:
                if error.status() == "StatusCode.UNAVAILABLE" and not _busy(error):
                    raise Unreachable(f"The server stopped answering while {model} was checked.") from error
                raise _failure(model, f"could not answer: {error.message()}") from error


class _Patient(triton.InferenceServerClient):  # type: ignore[misc]  # tritonclient says nothing of its types
    """A client that asks again until ``deadline`` (of the monotonic clock) where it is refused for others' sake."""

    def __init__(self, address: str, deadline: float) -> None:
        super().__init__(address)
        self._deadline = deadline

    def infer(self, *arguments: Any, **options: Any) -> Any:
        while True:
            try:
                return super().infer(*arguments, **options)
            except InferenceServerException as error:
                if not _busy(error) or time.monotonic() > self._deadline:
                    raise
            time.sleep(_PAUSE_SECONDS)


def _busy(error: InferenceServerException) -> bool:
    full = specs.QUEUE_FULL.lower() in str(error.message()).lower()
    return full or error.status() == "StatusCode.DEADLINE_EXCEEDED"


def _prove_classifier(client: Any, spec: specs.ModelSpec, picture: bytes, tolerance: float) -> None:
    blobs = [picture, _NO_PICTURE]
    answers = _ask(client, spec.name, {specs.IMAGE: _bytes(blobs)}, [*spec.outputs, specs.ERROR])
    _check_errors(spec.name, answers.pop(specs.ERROR))
    for output, (good, bad) in answers.items():
        if not np.isfinite(good).all() or not np.isnan(bad).all():
            raise _failure(spec.name, f"{output.name} is {good} for a picture and {bad} for none")
    scores = answers[spec.outputs[0]][0]
    if abs(scores.sum() - 1) > specs.ONNX_TOLERANCE:
        raise _failure(spec.name, f"its probabilities {scores} do not sum to 1")

    local = preprocess([picture], spec.size)
    if client.is_model_ready(spec.network_model):
        pixels = {spec.pixels: local.pixels, specs.VALID: local.valid}
        expected = _ask(client, spec.network_model, pixels, spec.outputs)
    else:
        expected = _of_one_step(client, spec, local.pixels)
    for output, known in expected.items():
        difference = np.abs(answers[output][0] - known[0])
        near = difference.max() <= specs.tolerated(output, tolerance) and difference.mean() <= tolerance
        if not near:
            said = f"{difference.max():.3g} ({difference.mean():.3g} in the mean)"
            raise _failure(spec.name, f"{output.name} differs by {said} from that of pixels decoded here")


def _of_one_step(client: Any, spec: specs.ModelSpec, pixels: NDArray[np.uint8]) -> dict[specs.TensorSpec, Any]:
    """The answers for pixels as they are, of a model that decodes and judges in one: as a PNG of the very size there
    is nothing left to decode as one likes. A black one must be answered otherwise, or what is judged is not it."""
    black = np.zeros_like(pixels)
    blobs = [_lossless(one) for one in (pixels[0], black[0])]
    answers = _ask(client, spec.name, {specs.IMAGE: _bytes(blobs)}, spec.outputs)
    if all(np.array_equal(picture, nothing) for picture, nothing in answers.values()):
        raise _failure(spec.name, "it says the same of a photograph and of a black one")
    return answers


def _prove_inversion(client: Any, picture: bytes) -> None:
    model = specs.INVERSION_MODEL
    answers = _ask(client, model, {specs.IMAGE: _bytes([picture, _NO_PICTURE])}, [specs.POSITIVE, specs.ERROR])
    _check_errors(model, answers[specs.ERROR])
    ((expected, _),) = invert([picture])
    good, bad = answers[specs.POSITIVE].ravel()
    if bad or not _same_picture(good, expected):
        raise _failure(model, f"its positive, of {len(good):,} bytes, is not the one made here, of {len(expected):,}")


def _same_picture(jpeg: bytes, expected: bytes) -> bool:
    """Whether both are one picture, as far as two inversions and a JPEG encoder keep it."""
    if jpeg == expected:
        return True
    try:
        pixels, wanted = images.decode(jpeg).astype(int), images.decode(expected)
    except ImageError:
        return False
    return pixels.shape == wanted.shape and bool(np.abs(pixels - wanted).mean() <= specs.POSITIVE_TOLERANCE)


def _check_errors(model: str, errors: NDArray[Any]) -> None:
    good, bad = errors.ravel()
    if good or not bad:
        raise _failure(model, f"it says {good.decode()!r} about a picture and {bad.decode()!r} about none")


def _ask(
    client: Any, model: str, inputs: dict[specs.TensorSpec, NDArray[Any]], outputs: Sequence[specs.TensorSpec]
) -> dict[specs.TensorSpec, NDArray[Any]]:
    tensors = []
    for spec, value in inputs.items():
        tensors.append(triton.InferInput(spec.name, list(value.shape), spec.dtype))
        tensors[-1].set_data_from_numpy(value)
    requested = [triton.InferRequestedOutput(spec.name) for spec in outputs]
    result = client.infer(model, tensors, outputs=requested, client_timeout=_SECONDS)
    count = len(next(iter(inputs.values())))
    return {spec: _checked(model, spec, count, result.as_numpy(spec.name)) for spec in outputs}


def _checked(model: str, spec: specs.TensorSpec, count: int, value: NDArray[Any] | None) -> NDArray[Any]:
    """The tensor, if it has the contract's type and shape: an empty one has lost its data on the way."""
    if value is None or value.dtype != _TYPES[spec.dtype] or value.shape != (count, *spec.shape):
        found = "nothing" if value is None else f"{value.dtype} {value.shape}"
        raise _failure(model, f"{spec.name} came back as {found} instead of {spec.dtype} {(count, *spec.shape)}")
    return value


def _lossless(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _bytes(blobs: Sequence[bytes]) -> NDArray[np.object_]:
    return np.array(blobs, np.object_).reshape(-1, 1)


def _failure(model: str, what: str) -> ServingError:
    return ServingError(f"The server failed its start-up check and is ended: {model}: {what}.")

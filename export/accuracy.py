"""The second half of the gate, for arithmetic below fp32: are its verdicts on labelled pictures as right as before?

And is nothing that it says of any of them far off? They are hundreds, the first half's pictures a dozen or two.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from export.errors import ParityError
from export.labelled import Labelled
from export.runtimes import Arrays, Run
from film.specs import LARGEST_ACCURACY_LOSS, OUTLIER_TOLERANCE, VALID, ModelSpec, tolerated

BATCH = 8


@dataclass(frozen=True)
class Accuracy:
    """Shares of right verdicts of the trained network and of the file, and how many verdicts are not the same."""

    pictures: int
    trained: float
    file: float
    changed: int
    changed_where_sure: int
    """Those of pictures that the trained network was not in doubt about: outside of ``spec.unsure``."""
    largest_differences: dict[str, float] = field(default_factory=dict, compare=False)
    """Of a probability from the trained network's, by output."""


def check_accuracy(spec: ModelSpec, runtime: str, run: Run, labelled: Labelled, truth: Arrays) -> Accuracy:
    """Compare verdicts of ``run`` with those of the trained network, whose answers are ``truth``.

    Raises ParityError where an output is not finite or a probability off by more than ``specs.OUTLIER_TOLERANCE``,
    where accuracy falls by more than ``specs.LARGEST_ACCURACY_LOSS``, or where a verdict changes that was not in doubt.
    """
    name = spec.outputs[0].name
    where = f"{spec.network_model}: {runtime} on {labelled.said}"
    parts = [run(batch) for batch in _batches(spec, labelled.pixels)]
    answers = {tensor.name: np.concatenate([part[tensor.name] for part in parts]) for tensor in spec.outputs}
    differences = _largest_differences(where, spec, answers, truth)
    before, after = truth[name][:, spec.positive_index], answers[name][:, spec.positive_index]
    found = replace(compare(spec, before, after, labelled.positive), largest_differences=differences)
    if found.trained - found.file > LARGEST_ACCURACY_LOSS:
        raise ParityError(
            f"{where} is right {found.file:.1%} of the time, the trained network {found.trained:.1%}; "
            f"{LARGEST_ACCURACY_LOSS:.1%} less is allowed. Not published."
        )
    if found.changed_where_sure:
        raise ParityError(
            f"{where} changes {found.changed_where_sure} verdicts that the trained network was sure of "
            f"(probability outside {spec.unsure[0]:g} to {spec.unsure[1]:g}). Not published."
        )
    for tensor in spec.outputs:
        allowed = tolerated(tensor, OUTLIER_TOLERANCE)
        if differences[tensor.name] > allowed:
            raise ParityError(
                f"{where} gives a {tensor.name} that is {differences[tensor.name]:.2g} away from the trained "
                f"network's; {allowed:g} is allowed of the odd picture. Not published."
            )
    return found


def _largest_differences(where: str, spec: ModelSpec, answers: Arrays, truth: Arrays) -> dict[str, float]:
    for tensor in spec.outputs:
        if not np.isfinite(answers[tensor.name]).all():  # a comparison would take NaN for a no
            raise ParityError(f"{where} gives a {tensor.name} that is not finite. Not published.")
    return {tensor.name: float(np.abs(answers[tensor.name] - truth[tensor.name]).max()) for tensor in spec.outputs}


def compare(
    spec: ModelSpec, before: NDArray[np.float32], after: NDArray[np.float32], positive: NDArray[np.bool_]
) -> Accuracy:
    """Of probabilities of the positive label before and after, (n,) each, and what is true, bool (n,)."""
    was, became = before >= spec.threshold, after >= spec.threshold
    low, high = spec.unsure
    changed = was != became
    sure = (before < low) | (before > high)
    return Accuracy(
        len(positive),
        float((was == positive).mean()),
        float((became == positive).mean()),
        int(changed.sum()),
        int((changed & sure).sum()),
    )


def _batches(spec: ModelSpec, pixels: NDArray[np.uint8]) -> Iterator[Arrays]:
    for start in range(0, len(pixels), BATCH):
        part = pixels[start : start + BATCH]
        yield {spec.pixels.name: part, VALID.name: np.ones((len(part), *VALID.shape), np.bool_)}

from collections.abc import Sequence
from threading import BrokenBarrierError
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from film.preprocess import preprocess
from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION, SCALED_DECODE_TOLERANCE
from loadtest.gpu import decode, parts
from loadtest.gpu.decode import Decode, Decoder, decoders, largest_difference, measure
from loadtest.gpu.networks import Unavailable
from loadtest.gpu.results import Plan, Results
from loadtest.gpu.tables import markdown
from loadtest.pictures import SAMPLES, read
from serving.settings import DEFAULT_REPOSITORY

BLOBS = read(SAMPLES / "digital")
PLAN = Plan(torch.device("cpu"), DEFAULT_REPOSITORY, "cpu", 0.01, (1,), served=False)


def test_a_decoder_that_fails_keeps_none_of_those_beside_it_waiting() -> None:
    opened = iter((lambda blobs: blobs, lambda _: next(iter(()))))  # the second stops before it has begun
    two = Decoder("two", lambda _: next(opened), side_by_side=2)
    with pytest.raises(StopIteration):  # and what is said is its own reason, not that the first was left alone
        measure(two, FILM_ORIGIN, BLOBS, 1, 0.01)


def test_a_decoder_that_fails_in_whatever_way_costs_its_own_row_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(error: Exception) -> Decoder:
        def fail(_: object) -> Decode:
            raise error

        return Decoder(type(error).__name__, fail)

    errors = (ValueError("no such\noperator"), BrokenBarrierError(), Unavailable("not here"), OSError("x" * 5000))
    good = Decoder("good", lambda _: given)
    monkeypatch.setattr(decode, "decoders", lambda _: (*map(failing, errors), good))
    found = list(parts.decoders_of(PLAN, FILM_ORIGIN, BLOBS))
    said = [value for kind, value in found if kind == "missing"]
    assert said[:3] == [
        "film_origin, ValueError: ValueError: no such operator",
        "film_origin, BrokenBarrierError: BrokenBarrierError()",
        "film_origin, Unavailable: not here",
    ]
    assert len(said[3]) < 500
    assert [value["decoder"] for kind, value in found if kind == "decoders"] == ["good"]


def test_pixels_are_compared_with_the_cpu_profiles_in_one_batch_of_pictures_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the last of a batch one value is off, downwards; what cannot be compared keeps its rate."""

    def off(blobs: Sequence[bytes]) -> torch.Tensor:
        pixels = given(blobs).copy()
        place = np.unravel_index(pixels[-1].argmax(), pixels[-1].shape)
        pixels[-1][place] -= 200 if len(blobs) == len(BLOBS) + 1 else 0
        return torch.from_numpy(pixels)

    two = (Decoder("as it is", lambda _: given), Decoder("off", lambda _: off), Decoder("none", lambda _: lambda _: 0))
    monkeypatch.setattr(decode, "decoders", lambda _: two)
    plan = Plan(torch.device("cpu"), DEFAULT_REPOSITORY, "cpu", 0.01, (1, len(BLOBS) + 1))
    results, kinds = Results(), list[str]()
    for kind, value in parts.decoders_of(plan, FILM_ORIGIN, BLOBS):
        if kind != parts.DOING:
            results.add(kind, value)
            kinds.append(kind)
    assert kinds == ["decoders"] * 3 + ["pixels"] * 2 + ["missing"]
    assert [row["largest_difference"] for row in results.pixels] == [0, 200]
    assert results.missing[0].startswith("film_origin, none, its pixels: ")
    rows = [line.split(" | ") for line in markdown(results).splitlines() if line.startswith("| film_origin |")]
    assert [(row[1], row[-1]) for row in rows] == [("as it is", "0 |"), ("off", "200 |"), ("none", "- |")]


def test_of_the_decoders_here_one_is_the_cpu_profiles_and_the_other_is_near_it() -> None:
    profile, dali = decoders(torch.device("cpu"))
    assert largest_difference(profile, NEGATIVE_CONDITION, BLOBS, 2) == 0
    assert 0 < largest_difference(dali, NEGATIVE_CONDITION, BLOBS, 2) <= SCALED_DECODE_TOLERANCE.largest


def given(blobs: Sequence[bytes]) -> NDArray[Any]:
    """What the cpu profile makes of pictures for ``film_origin``."""
    return preprocess(blobs, FILM_ORIGIN.size).pixels

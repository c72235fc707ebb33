"""What is to be measured, and what was found."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from film.errors import SafelightError
from film.specs import COMPILED_BATCH, MAX_BATCH, ModelSpec

BATCHES, BATCHES_ON_CPU = (1, 8, 64, COMPILED_BATCH), (1, 8)
"""Of the networks alone, unless others are asked for: a CPU would take a minute for 256 pictures."""
LONGEST_REASON = 400
"""Characters of an error that are kept; DALI and torch tell where it happened first, and what happened last."""


@dataclass(frozen=True)
class Plan:
    """``seconds`` is for each single measurement; ``batches`` are those of the networks alone, ``batch`` of all else;
    ``overlay`` is the server's. ``out`` is what the names of all files that are written begin with."""

    device: torch.device
    repository: Path
    profile: str
    seconds: float = 2.0
    batches: tuple[int, ...] = BATCHES
    clients: int = 4
    served: bool = True
    overlay: Path | None = None
    out: Path = Path("out/gpu")

    @property
    def batch(self) -> int:
        """The largest of ``batches``, or of a request if that is less."""
        return min(max(self.batches), MAX_BATCH)

    def folder(self, spec: ModelSpec) -> Path:
        """Where the files of the network of ``spec`` lie."""
        return self.repository / spec.network_model / "1"

    def beside(self, ending: str) -> Path:
        """The file of what is written that ends so."""
        return self.out.with_name(self.out.name + ending)


@dataclass
class Results:
    """Rows for the tables, as plain values. ``pixels`` are those of the decoders, ``in_process`` is JPEG to verdict
    without a server. ``conditions`` are what they were
    measured under; ``missing`` says what could not be measured, and why."""

    conditions: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    ceilings: dict[str, Any] = field(default_factory=dict)
    networks: list[dict[str, Any]] = field(default_factory=list)
    stems: list[dict[str, Any]] = field(default_factory=list)
    decoders: list[dict[str, Any]] = field(default_factory=list)
    pixels: list[dict[str, Any]] = field(default_factory=list)
    in_process: list[dict[str, Any]] = field(default_factory=list)
    served: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def add(self, name: str, found: Any) -> None:
        """Put what was found into the field ``name``: all of it, or one more of a list."""
        held = getattr(self, name)
        if isinstance(held, list):
            held.append(found)
        else:
            held.update(found)


def reason(error: BaseException) -> str:
    """What ``error`` says, in one line: our own sentences as they are, others with their type and without their middle
    where they are long."""
    said = " ".join(str(error).split())
    if isinstance(error, SafelightError) and said:
        return said
    if len(said) > LONGEST_REASON:
        said = f"{said[: LONGEST_REASON // 2]} ... {said[-LONGEST_REASON // 2 :]}"
    return f"{type(error).__name__}: {said}" if said else repr(error)

"""One classifier into one format: made, tried, and published if it answers as the trained network does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from export.accuracy import check_accuracy
from export.errors import ParityError
from export.format import Format
from export.parity import largest_difference
from export.publish import publish, tool_versions, version_folder
from export.runtimes import Trial
from export.source import Source
from film.specs import LARGEST_ACCURACY_LOSS, PARITY_TOLERANCE

Verdict = Literal["published", "untried", "not made", "refused"]
Say = Callable[[str], None]
"""Told what is being done, for a progress line."""


@dataclass(frozen=True)
class Outcome:
    """What became of one format: ``untried`` is a file that this machine could make and not run.

    ``differences`` is by runtime; ``notes`` are reasons why something was not made, not tried or refused.
    """

    verdict: Verdict
    path: Path | None = None
    size: int = 0
    differences: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()


def export_model(source: Source, form: Format, repository: Path, aside: Path, say: Say = lambda _: None) -> Outcome:
    """Make ``source`` in ``form`` and try it in every way that this machine can.

    What passes is published to ``repository``. What could be made and in no way tried goes to ``aside``, laid out
    alike, never to where a server finds it. Raises ParityError where the file was refused (nothing is put anywhere
    then) unless that is an answer for this format, or what making it raises.
    """
    spec = source.spec
    if why := form.lacks(spec):
        return Outcome("not made", notes=(why,))
    digest = source.digest  # before they are loaded: a training may write better ones meanwhile
    say("making it")
    trials = form.trials(source)
    possible = [trial for trial in trials if not trial.lacks]
    notes = tuple(f"not tried in {trial.runtime}: {trial.lacks}" for trial in trials if trial.lacks)
    differences: dict[str, float] = {}

    def write(path: Path) -> dict[str, Any]:
        made = form.write(source, path)
        tried = {}
        for trial in possible:
            say(f"trying it in {trial.runtime}")
            tried[trial.runtime] = _try(source, trial, path)
            differences[trial.runtime] = tried[trial.runtime]["largest_difference"]
        return {
            "model": spec.network_model,
            "format": form.name,
            "weights": {"file": source.weights.name, "sha256": digest},
            **made,
            "parity": {"pictures": len(source.judged_on), "runtimes": tried},
            **({"notes": notes} if notes else {}),
            "tools": tool_versions(form.tools),
        }

    try:
        path = publish(version_folder(repository if possible else aside, spec), write, form.files)
    except ParityError as error:
        if form.may_be_refused:
            return Outcome("refused", notes=(str(error),))
        raise
    size = sum((path.parent / name).stat().st_size for name in form.files)
    return Outcome("published" if possible else "untried", path, size, differences, notes)


def _try(source: Source, trial: Trial, path: Path) -> dict[str, Any]:
    """Both halves of the gate; the facts for the manifest."""
    run = trial.start(path)
    difference = largest_difference(source.truth, source.spec, trial, run, source.judged_on)
    found: dict[str, Any] = {
        "arithmetic": trial.arithmetic,
        "batches": list(trial.batches),
        "tolerance": PARITY_TOLERANCE[trial.arithmetic],
        "largest_difference": difference,
    }
    if trial.arithmetic != "fp32":
        accuracy = check_accuracy(source.spec, trial.runtime, run, source.labelled, source.labelled_truth)
        found["accuracy"] = asdict(accuracy) | {"of": source.labelled.said, "allowed_loss": LARGEST_ACCURACY_LOSS}
    return found

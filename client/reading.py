"""Other readings of the same answer: where one label is more frequent, and where one mistake costs more.

The networks answer as if both labels were equally frequent and both mistakes equally bad. Neither reading asks the
server anything; a Prediction that is there already can be read again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from client.answers import Prediction, Verdict
from client.contract import verdict
from film.prior import with_prior
from film.specs import CLASSIFIERS, FILM_ORIGIN, NEGATIVE_CONDITION, ModelSpec

Prior = float | Mapping[str, float] | None
"""Shares by positive label (film, readable); a number alone is that of the only model asked."""


@dataclass(frozen=True)
class Reading:
    """``shares`` of the positive labels and ``thresholds`` by model, each only where it is not the ordinary one."""

    shares: Mapping[str, float]
    thresholds: Mapping[str, float]

    @staticmethod
    def of(models: Sequence[str], prior: Prior = None, use: str = "") -> "Reading":
        """Make sense of what a user says of ``models``.

        ``use`` is the name of one of ``film.specs.ModelSpec.uses`` of at least one of them; the others keep their
        threshold. Raises ValueError, with a sentence, for a share that is not between 0 and 1, a label that none of
        them has as its positive one, a number alone for several models, or a use that none of them has.
        """
        specs = [spec for spec in CLASSIFIERS if spec.name in models]
        thresholds = {spec.name: known.threshold for spec in specs for known in spec.uses if known.name == use}
        if use and not thresholds:
            known = ", ".join(dict.fromkeys(known.name for spec in specs for known in spec.uses))
            raise ValueError(f"{use!r} is no use of {' or '.join(models)}; there are {known}.")
        return Reading(_shares(specs, prior), thresholds)

    def read(self, prediction: Prediction) -> Prediction:
        """The same prediction with its verdicts read this way; probabilities with the shares taken into account."""
        return replace(
            prediction,
            origin=self._verdict(FILM_ORIGIN, prediction.origin),
            condition=self._verdict(NEGATIVE_CONDITION, prediction.condition),
        )

    def _verdict(self, spec: ModelSpec, found: Verdict | None) -> Verdict | None:
        share, threshold = self.shares.get(spec.positive), self.thresholds.get(spec.name)
        if found is None or (share is None and threshold is None):
            return found
        scores = dict(found.scores)
        if share is not None:
            (other,) = (label for label in spec.labels if label != spec.positive)
            scores[spec.positive] = with_prior(scores[spec.positive], share)
            scores[other] = 1 - scores[spec.positive]
        return verdict(spec, (scores[label] for label in spec.labels), threshold)


def _shares(specs: Sequence[ModelSpec], prior: Prior) -> dict[str, float]:
    labels = [spec.positive for spec in specs]
    if prior is None:
        return {}
    if not isinstance(prior, Mapping):
        if len(specs) != 1:
            says = ", ".join(f"{label}={prior}" for label in labels)
            raise ValueError(f"A prior of {prior} does not say of what: name the label ({says}), or ask one model.")
        prior = {labels[0]: prior}
    for label, share in prior.items():
        if label not in labels:
            raise ValueError(f"A prior for {label!r} cannot be; there are {', '.join(labels)}.")
        if not 0 < share < 1:
            raise ValueError(f"A prior of {share} for {label} cannot be; it is a share between 0 and 1, and neither.")
    return dict(prior)

"""Calibration of a network that says one probability: a scale and an offset of its logit."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

SURE = 1e-6
"""Probabilities nearer to 0 or 1 than this count as this."""
LEAST_SCALE = 0.1
"""A network's answer is never turned round."""


def fit(scores: NDArray[np.float64], targets: NDArray[np.float32], kinds: pd.Series) -> dict[str, Any]:
    """Platt's scale and offset for ``scores`` (n,) of true ``targets`` (n,), and how right they are, by ``kinds`` (n,).

    Both classes count alike, however many pictures there are of each. The fit is mildly regularised, so that a side
    without a mistake does not make the network infinitely sure. Returns ``scale``, ``offset``, the number of
    ``pictures`` and the accuracy afterwards, of all and of each kind.
    """
    sure = np.clip(scores, SURE, 1 - SURE)
    logits = np.log(sure / (1 - sure))
    line = LogisticRegression(C=1.0, class_weight="balanced").fit(logits[:, None], targets)
    scale, offset = max(float(line.coef_[0, 0]), LEAST_SCALE), float(line.intercept_[0])
    right = (scale * logits + offset > 0) == (targets == 1)
    return {
        "scale": scale,
        "offset": offset,
        "pictures": len(targets),
        "accuracy": float(right.mean()),
        **{f"accuracy_{kind}": float(right[(kinds == kind).to_numpy()].mean()) for kind in kinds.unique()},
    }

"""Figures for JSON as its standard has it, which knows no NaN."""

import math
from typing import Any


def strict(value: Any) -> Any:
    """The same plain value, with None in place of every number that is not finite, and lists for tuples."""
    if isinstance(value, dict):
        return {key: strict(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [strict(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

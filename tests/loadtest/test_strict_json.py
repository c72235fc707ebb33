"""What is written as JSON can be read by those who keep to its standard."""

import json

from loadtest.strict_json import strict


def test_figures_are_strict_json() -> None:
    found = {"a": [1.5, float("nan")], "b": {"c": (float("inf"), "NaN", None, 2)}}
    assert json.loads(json.dumps(strict(found), allow_nan=False)) == {
        "a": [1.5, None],
        "b": {"c": [None, "NaN", None, 2]},
    }

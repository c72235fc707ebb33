"""Importing ``training`` names the backend that Keras loads, so it has to come before any test imports Keras."""

import pytest

import training  # noqa: F401


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every ``negative_condition`` has an eighth of its channels: for tests of what is done with a network.

    Its layers and maps are the same, and it is 60 times as small: to train, keep and load it costs next to nothing.
    """
    from training import negative_condition

    monkeypatch.setattr(negative_condition, "STAGES", tuple(channels // 8 for channels in negative_condition.STAGES))
    monkeypatch.setattr(negative_condition, "PYRAMID", negative_condition.PYRAMID // 8)

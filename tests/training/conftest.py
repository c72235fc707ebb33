"""Importing ``training`` names the backend that Keras loads, so it has to come before any test imports Keras."""

import training  # noqa: F401

"""Judging both networks on real pictures, and the report and model cards that come of it."""

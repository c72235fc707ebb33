"""Finds, starts and checks Triton."""

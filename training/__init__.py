"""Data, networks, loops and evaluation."""

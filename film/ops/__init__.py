"""Pixel operations: the reference, and its twins. Imports none of them, so that each loads where it is used."""

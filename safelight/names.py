"""File names as people see them."""

import unicodedata
from pathlib import Path

import click

_OBEYED = {"Cc", "Zl", "Zp"}
"""Categories of Unicode: controls, an escape for one, and what ends a line."""
_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Bidirectional classes: what has the rest of a line run the other way."""


def shown(name: str | Path) -> str:
    """On one line, and with what a terminal would obey instead of showing it as an escape of Python's."""
    text = click.format_filename(name)
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(sign: str) -> str:
    if unicodedata.category(sign) in _OBEYED or unicodedata.bidirectional(sign) in _TURNING:
        return sign.encode("unicode_escape").decode()
    return sign

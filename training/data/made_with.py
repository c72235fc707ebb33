"""The code of ``film`` that pictures which are kept went through: other code, and they are of no use any more."""

from pathlib import Path

from film import images
from film.ops import fast, reference

PIXELS = (Path(images.__file__), Path(fast.__file__), Path(reference.__file__))
"""It decodes and resizes; a cache's key holds what is in these files, beside the simulator's own."""

"""The option ``--data`` of every command that reads pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def data_option(labels: str, default: str) -> Callable[[Any], Any]:
    """``--data``, once or more, as a tuple of paths called ``data``; ``labels`` and ``default`` are for the help."""
    return click.option(
        "--data",
        type=click.Path(exists=True, path_type=Path),
        multiple=True,
        help=f"Folder with {labels}, or a table of labels; may be given more than once. [default: {default}]",
    )

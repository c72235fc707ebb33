"""The option ``--data`` of every command that reads pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def data_option(holds: str, default: str, name: str = "--data") -> Callable[[Any], Any]:
    """Option ``name``, once or more, as a tuple of paths; ``holds`` and ``default`` are for its help."""
    return click.option(
        name,
        type=click.Path(exists=True, path_type=Path),
        multiple=True,
        help=f"Folder with {holds}, or a table of labels; may be given more than once. [default: {default}]",
    )

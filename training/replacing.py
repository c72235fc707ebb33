"""Write a file in one step: what stands at its path is the old file or the new one, never half of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write what ``path`` shall hold; it takes the place of what is there when the block ends.

    The name ends as that of ``path`` does, because some writers go by it. If the block raises, as on a full disk,
    ``path`` is as it was; makes the folder of ``path`` if there is none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{path.name}")
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise

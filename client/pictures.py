"""From what a user hands over to batches that fit into a request. Plain generators: nothing here talks to a server."""

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from film.specs import MAX_IMAGE_BYTES

MAX_REQUEST_BYTES = 64 * 2**20
"""Encoded pictures in one request. gRPC stops at 2 GiB, but a request is held several times over on its way."""

Source = str | Path | bytes
"""A path, or the bytes of an encoded picture."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture on its way to the server, or the reason why it cannot go."""

    source: str
    data: bytes = field(repr=False, default=b"")
    error: str | None = None


def load(pictures: Iterable[Source]) -> Iterator[Picture]:
    """Read the pictures one at a time, in order. A file that cannot be read gives a Picture with an error."""
    if isinstance(pictures, str | Path | bytes):
        raise TypeError("give a list of pictures, also for a single one: [picture]")
    return (_load(position, picture) for position, picture in enumerate(pictures))


def held(pictures: Iterable[Source]) -> bool:
    """Whether all are bytes in a list or a tuple, so that getting at the next never waits for a disk."""
    return isinstance(pictures, list | tuple) and all(isinstance(picture, bytes) for picture in pictures)


def _load(position: int, picture: Source) -> Picture:
    if isinstance(picture, bytes):
        return _checked(f"#{position}", picture)
    return _read(Path(picture), str(picture))


def _read(path: Path, source: str) -> Picture:
    try:
        found = path.stat()
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):  # a pipe or a device may never end
            return Picture(source, error="cannot be read: it is not a file but a pipe, a device or a socket")
        return _too_large(source, found.st_size) or _checked(source, path.read_bytes())
    except OSError as error:
        return Picture(source, error=f"cannot be read: {error.strerror or error}")
    except ValueError as error:  # a path with a null character
        return Picture(source, error=f"cannot be read: {error}")


def _checked(source: str, data: bytes) -> Picture:
    return _too_large(source, len(data)) or Picture(source, data)


def _too_large(source: str, size: int) -> Picture | None:
    if size <= MAX_IMAGE_BYTES:
        return None
    return Picture(source, error=f"too large: {size:,} bytes, and {MAX_IMAGE_BYTES:,} is the limit")


def batches(pictures: Iterable[Picture], count: int, max_bytes: int = MAX_REQUEST_BYTES) -> Iterator[list[Picture]]:
    """Group neighbours, in order: at most ``count`` pictures and ``max_bytes`` bytes, but a larger picture goes alone.

    A picture with an error has no bytes; it keeps its place among the others, so that answers come in input order.
    """
    if count < 1:
        raise ValueError(f"a batch of {count} pictures cannot be")
    batch: list[Picture] = []
    weight = 0
    for picture in pictures:
        if batch and (len(batch) == count or weight + len(picture.data) > max_bytes):
            yield batch
            batch, weight = [], 0
        batch.append(picture)
        weight += len(picture.data)
    if batch:
        yield batch

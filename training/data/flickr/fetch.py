"""One picture from its address into a file, looked at; run by several threads at once."""

import hashlib
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path

import requests
from PIL.ExifTags import Base
from PIL.Image import Image

from film.errors import EmptyImage, ImageError, UnsupportedImage
from film.images import JPEG_FORMATS, decode, open_image
from film.specs import MAX_IMAGE_BYTES
from training.data.flickr.duplicates import perceptual_hash
from training.data.flickr.errors import Reason, Refused, Transient
from training.data.flickr.patience import Pace, Patience, persist
from training.data.flickr.photo import LEAST
from training.data.flickr.web import check_for_later, session

INCOMING = ".incoming"
"""Folder of pictures that are complete and not yet judged; what still grows there ends in `PART`."""
PART = ".part"
_CHUNK = 2**16
_PATIENCE_WITH_ONE = 10
"""Times the timeout that a whole picture may take, however steadily its bytes drip."""
_PLACEHOLDER = "photo_unavailable"
"""Part of the address that a picture which was taken away is redirected to."""


@dataclass(frozen=True)
class Picture:
    """A picture on the disk at ``path``, whole and large enough; sizes in pixels, upright."""

    path: Path
    width: int
    height: int
    device: str
    sha256: str
    phash: str


class Fetcher:
    """Brings pictures into ``folder``/.incoming. What is there already, or in its final place, is not downloaded."""

    def __init__(self, folder: Path, pace: Pace, patience: Patience, timeout: float, connections: int) -> None:
        """``timeout`` in seconds without a byte; ``connections`` is the number of threads."""
        self._incoming = folder / INCOMING
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._pace = pace
        self._patience = patience
        self._timeout = timeout
        self._session = session(connections, check_for_later)

    def incoming(self, final: Path) -> Path:
        """Where the picture that belongs to ``final`` waits to be judged."""
        return self._incoming / final.name

    def fetch(self, url: str, final: Path) -> Picture:
        """The picture at ``url``, wherever it was found. Raises Refused, Transient, Stopped."""
        path = next((path for path in (final, self.incoming(final)) if path.is_file()), None)
        if path is None:
            path = self.incoming(final)
            self._write(persist(lambda: self._download(url), self._pace, self._patience), path)
        return examine(path)

    def _download(self, url: str) -> bytes:
        """The bytes at ``url``, all of them: a body shorter than its Content-Length is Transient."""
        end = time.monotonic() + _PATIENCE_WITH_ONE * self._timeout
        data = bytearray()
        try:
            with self._session.get(url, timeout=self._timeout, stream=True) as response:
                _check_for_good(response)
                for chunk in response.iter_content(_CHUNK):
                    data += chunk
                    if len(data) > MAX_IMAGE_BYTES:
                        raise Refused(Reason.BROKEN, f"more than {MAX_IMAGE_BYTES:,} bytes")
                    if time.monotonic() > end:
                        raise Transient(f"{url} took too long")
        except requests.RequestException as error:
            raise Transient(f"{type(error).__name__} from {url}") from None
        return bytes(data)

    def _write(self, data: bytes, path: Path) -> None:
        part = path.with_name(path.name + PART)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def _check_for_good(response: requests.Response) -> None:
    if response.status_code in (401, 403):
        raise Refused(Reason.FORBIDDEN, f"HTTP {response.status_code}")
    if response.status_code >= 400:
        raise Refused(Reason.GONE, f"HTTP {response.status_code}")
    if _PLACEHOLDER in response.url:
        raise Refused(Reason.GONE, "Flickr shows a placeholder")


def examine(path: Path) -> Picture:
    """Decode the file as training would, and describe it. Raises Refused for what could not be trained on."""
    data = path.read_bytes()
    try:
        image = open_image(data)
        if image.format not in JPEG_FORMATS:
            # A format that only one label has would tell the label.
            raise Refused(Reason.NOT_A_JPEG, f"a {image.format}")
        pixels = decode(data)
    except (UnsupportedImage, EmptyImage) as error:
        raise Refused(Reason.NOT_A_JPEG, str(error)) from None
    except ImageError as error:
        raise Refused(Reason.BROKEN, str(error)) from None
    height, width = pixels.shape[:2]
    if max(height, width) < LEAST:
        raise Refused(Reason.TOO_SMALL, f"{width} x {height} pixels")
    sha256 = hashlib.sha256(data).hexdigest()
    return Picture(path, width, height, _device(image), sha256, perceptual_hash(pixels))


def _device(image: Image) -> str:
    """Make and model from EXIF; empty where there is none (Flickr strips most sizes) or it is malformed."""
    try:
        exif = image.getexif()
        return " ".join(str(exif[tag]).strip("\0 ") for tag in (Base.Make, Base.Model) if tag in exif)
    except (OSError, ValueError, SyntaxError, struct.error, KeyError, TypeError):
        return ""

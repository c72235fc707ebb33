"""What has become of every picture, in a SQLite file; and manifest.csv, made from it."""

import csv
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.data.flickr.errors import ASKED_ANEW, BadChoice, Reason

FILE = "collected.sqlite"
MANIFEST = "manifest.csv"
COLUMNS = (
    *("file", "label", "label_basis", "source", "path", "licence", "width", "height", "device"),
    *("licence_id", "licence_url", "owner", "owner_name", "title", "url", "size", "taken", "sha256", "phash"),
)
"""Of the manifest. ``file`` is relative to it; https:// + ``source`` + / + ``path`` is the page of the photograph."""
_KEPT = ""
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS photos (
    photo_id TEXT PRIMARY KEY, group_id TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
    {", ".join(f"{column} TEXT NOT NULL DEFAULT ''" for column in COLUMNS)}
)"""


@dataclass(frozen=True)
class Settled:
    """A picture on which there is nothing left to do. ``kept`` or not, ``file`` is (or would be) its place."""

    file: str
    label: str
    kept: bool


class Record:
    """The record of one folder. Every change is on the disk before the call returns. One process at a time."""

    def __init__(self, folder: Path) -> None:
        """Raises BadChoice while another run has the folder."""
        self._folder = folder
        self._base = sqlite3.connect(folder / FILE, timeout=0, isolation_level=None)
        try:
            # Held until the process ends, however it ends.
            self._base.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._base.execute("BEGIN EXCLUSIVE")
            self._base.execute(_SCHEMA)
            self._base.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise BadChoice(f"{folder} is in use by another run ({error}).") from None
        except sqlite3.DatabaseError as error:
            raise BadChoice(f"{folder / FILE} is damaged ({error}): move it away to begin anew.") from None

    def close(self) -> None:
        """Let others have the folder."""
        self._base.close()

    def settled(self, photo_id: str) -> Settled | None:
        """What was decided on a picture; None for a new one and for one that the options of each run decide on."""
        row = self._base.execute("SELECT file, label, reason FROM photos WHERE photo_id = ?", (photo_id,)).fetchone()
        if row is None or row[2] in ASKED_ANEW:
            return None
        return Settled(row[0], row[1], row[2] == _KEPT)

    def keep(self, photo_id: str, group_id: str, values: Mapping[str, str]) -> None:
        """Write down a picture that is in its place; ``values`` by column."""
        self._write(photo_id, group_id, _KEPT, "", values)

    def skip(self, photo_id: str, group_id: str, reason: Reason, detail: str, values: Mapping[str, str]) -> None:
        """Write down why a picture will not be there."""
        self._write(photo_id, group_id, reason, detail, values)

    def _write(self, photo_id: str, group_id: str, reason: str, detail: str, values: Mapping[str, str]) -> None:
        row = (photo_id, group_id, reason, detail, *(values.get(column, "") for column in COLUMNS))
        marks = ", ".join("?" * len(row))
        self._base.execute(f"INSERT OR REPLACE INTO photos VALUES ({marks})", row)

    def kept(self, group_id: str) -> int:
        """Pictures that were kept from a group, in all runs."""
        found = self._base.execute(
            "SELECT count(*) FROM photos WHERE reason = ? AND group_id = ?", (_KEPT, group_id)
        ).fetchone()
        return int(found[0])

    def hashes(self) -> Iterator[tuple[str, str]]:
        """File and perceptual hash of every kept picture, in the order in which they were kept."""
        yield from self._base.execute("SELECT file, phash FROM photos WHERE reason = ? ORDER BY rowid", (_KEPT,))

    def write_manifest(self) -> None:
        """Make manifest.csv anew, a row a kept picture in order of its file; the old one stays until it is complete.

        A picture that somebody has deleted by hand stays deleted and is left out.
        """
        target = self._folder / MANIFEST
        draft = target.with_suffix(".csv.part")
        rows = self._base.execute(f"SELECT {', '.join(COLUMNS)} FROM photos WHERE reason = ? ORDER BY file", (_KEPT,))
        with draft.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            table.writerows(row for row in rows if (self._folder / row[0]).is_file())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)

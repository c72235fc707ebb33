"""Real pictures as a table, and its split into a training and a test side.

DATA is a folder with a folder a class (``DATA/film/*``, ``DATA/digital/*``; ``DATA/readable/*``, ``DATA/damaged/*``),
or a table of labels (``labels.csv`` in it, or the table itself; see ``training.data.labels``). Several may be mixed.

A picture's *source* is its photographer or roll: one photographer and one scanner repeat within it, so a source is
never on both sides. It is the column ``source`` of the table of labels, else of a ``manifest.csv`` in DATA or beside it
(columns ``file``, ``source``, ``device``), else the file name up to its last underscore (``oakes_00493955a3.jpg`` comes
from ``oakes``).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from film.errors import ImageError
from film.images import decode
from film.specs import DEFECTS, NEGATIVE_CONDITION, PICTURE_SUFFIXES
from training.data.labels import LabelsError, read_labels
from training.data.split import group, split

LABELS_FILE = "labels.csv"
MANIFEST_FILE = "manifest.csv"
PROJECT = Path(__file__).parents[2]
SAMPLES_TABLE = PROJECT / "samples" / "samples.csv"
"""Its column ``source`` names the photographs behind the samples that ship with the project."""
Data = Path | Sequence[Path]
"""One DATA, or several."""


def source_of(path: Path) -> str:
    """The file name up to its last underscore, or the whole stem where there is none."""
    return path.stem.rpartition("_")[0] or path.stem


def list_pictures(folder: Path) -> list[Path]:
    """Every picture in ``folder``, not below it, in order of name; empty when there is no such folder.

    Raises LabelsError for one whose name is not UTF-8, which no table could hold.
    """
    if not folder.is_dir():
        return []
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    for path in found:
        if path.name != path.name.encode(errors="replace").decode():
            raise LabelsError(f"{folder} has a picture whose name is not UTF-8, {path.name!r}: call it otherwise.")
    return found


def decode_file(path: Path) -> NDArray[np.uint8]:
    """Upright RGB pixels, UINT8 (height, width, 3), of a file; an ImageError of film.images that names the file."""
    try:
        return decode(path.read_bytes())
    except ImageError as error:
        raise type(error)(f"{path} cannot be trained on: {error}. Take it out of the folder.") from error


def read(data: Data, labels: tuple[str, ...]) -> pd.DataFrame:
    """One row a picture of ``data`` with one of ``labels``: ``path``, ``label``, ``source``, ``device``, ``split``.

    ``device`` and ``split`` are "" where nothing says them. With a label of ``negative_condition`` there are six more
    columns, the defects: 1.0, 0.0, or nan where nobody said. The table is empty where there are no pictures.
    Raises LabelsError where a table of labels cannot be used, and for a picture that is in two of ``data``.
    """
    rows: list[dict[str, Any]] = []
    for place in _places(data):
        known = _manifest(place if place.is_dir() else place.parent)
        for row in _rows(place, labels):
            source, device = known.get(row["path"].resolve(), ("", ""))
            row["source"] = row["source"] or source or source_of(row["path"])
            rows.append(row | {"device": device})
    columns = ["path", "label", "source", "device", "split"]
    if set(labels) & set(NEGATIVE_CONDITION.labels):
        columns += DEFECTS
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(DEFECTS, float) if len(columns) > 5 else {})
    if (twice := table.path.map(Path.resolve).duplicated()).any():
        raise LabelsError(f"{table.path[twice].iloc[0]} is in the data twice: name each folder or table once.")
    return table


def _rows(data: Path, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """path, label, source and split, as the table of labels or the folders say it."""
    file = data if data.suffix.lower() == ".csv" else data / LABELS_FILE
    if file.is_file():
        return read_labels(file, labels)
    return [
        {"path": path, "label": label, "source": "", "split": ""}
        for label in labels
        for path in list_pictures(data / label)
    ]


def _manifest(folder: Path) -> dict[Path, tuple[str, str]]:
    """Source and device by full path of the picture, from a manifest in ``folder`` or beside it; empty without one."""
    for place in (folder, folder.parent):
        file = place / MANIFEST_FILE
        if not file.is_file():
            continue
        try:
            table = pd.read_csv(file, dtype=str, keep_default_na=False)
        except (OSError, ValueError, pd.errors.ParserError) as error:
            raise LabelsError(f"{file} cannot be read as a table with commas between its columns: {error}") from error
        if "file" not in table:
            raise LabelsError(f"{file} has no column file: its first line must name the columns.")
        table = table.reindex(columns=["file", "source", "device"], fill_value="")
        return {
            (place / name).resolve(): (source.strip(), device.strip())
            for name, source, device in table.itertuples(index=False)
        }
    return {}


def index(data: Data, labels: tuple[str, ...], seed: int = 0) -> pd.DataFrame:
    """The pictures of ``data`` (see ``read``), with ``group`` and a drawn ``split`` ("train" or "test").

    Whole groups are on one side, a fifth of each class on the test side, in an order that ``seed`` decides (see
    ``training.data.split``); a photograph behind a shipped sample is on the test side with its group, so that what a
    network says of the samples is never learnt by heart. Raises FileNotFoundError where no label has a picture.
    """
    table = read(data, labels)
    if table.empty:
        wanted = " or ".join(str(place / label) for place in _places(data) for label in labels)
        raise FileNotFoundError(f"There are no pictures in {wanted}: make a folder for each label and fill it.")
    table["group"] = group(table)
    behind_samples = table.path.map(lambda path: path.name).isin(_behind_samples())
    table.loc[behind_samples & (table.split == ""), "split"] = "test"
    table["split"] = split(table, seed)
    return table


def _behind_samples() -> list[str]:
    """File names of the photographs that samples were made from; none in an installation without samples."""
    return pd.read_csv(SAMPLES_TABLE).source.tolist() if SAMPLES_TABLE.is_file() else []


def _places(data: Data) -> Sequence[Path]:
    return [data] if isinstance(data, Path) else data


def default_data() -> Path:
    """Pictures to train on when none are named: the data folder beside the project, or the few samples in it."""
    licensed = PROJECT.parent / "shared" / "data" / "licensed"
    return licensed if licensed.is_dir() else PROJECT / "samples"

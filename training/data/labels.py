"""A table of pictures that a person wrote: ``labels.csv``.

Columns: ``file``, relative to the table's folder and inside it, and ``label``; optional are ``source`` (whose picture
it is, or which roll), ``split`` ("train" or "test", where it must not be drawn) and, for negatives, each of the six
defects as 0 or 1 (empty: not known). Every mistake is told with its line.
"""

import os
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd

from film.errors import SafelightError
from film.specs import CLASSIFIERS, DEFECTS

UNLABELLED = "other"
"""The label of a picture that nobody has judged: it is shown by an evaluation, and neither trained on nor scored."""
LABELS = frozenset(label for spec in CLASSIFIERS for label in spec.labels) | {UNLABELLED}
"""Labels that a table may hold, whichever of them is asked for."""
SPLITS = ("train", "test")


class LabelsError(SafelightError, ValueError):
    """A table of pictures has a row that cannot be used; the text names the file, the line and what is wrong."""


def read_labels(file: Path, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """The rows of ``file`` that have one of ``labels``, in order of ``file``.

    Each has ``path``, ``label``, ``source`` and ``split`` (both "" where not said), and each defect that the table has
    a column for, as 0.0, 1.0 or nan. Rows with another label of Safelight's are left out. Raises LabelsError for an
    unknown label or split, a picture that is missing, outside the folder or listed twice, and a defect that is neither
    0 nor 1, and where a column or the table itself cannot be read.
    """
    try:
        table = pd.read_csv(
            file,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            encoding="utf-8-sig",
            skip_blank_lines=False,  # or lines would be told by other numbers than they have
        )
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise LabelsError(f"{file} cannot be read as a table with commas between its columns: {error}") from error
    if missing := [name for name in ("file", "label") if name not in table]:
        raise LabelsError(f"{file} has no column {' and no '.join(missing)}: its first line must name file and label.")
    lines: dict[Path, int] = {}
    rows = []
    for line, record in enumerate(table.to_dict("records"), 2):
        if not any(record.values()):
            continue
        row = _row(file, line, {str(name): str(value).strip() for name, value in record.items()})
        first = lines.setdefault(row["path"], line)
        if first != line:
            _refuse(file, line, f"{record['file']} is in line {first} already: keep one of the two")
        if row["label"] in labels:
            rows.append(row)
    return rows


def _row(file: Path, line: int, record: dict[str, str]) -> dict[str, Any]:
    """One line, checked."""
    folder = file.parent.absolute()
    path = Path(os.path.normpath(folder / record["file"]))  # a link inside the folder may lead anywhere
    if path == folder or not path.is_relative_to(folder):
        _refuse(file, line, f"{record['file']!r} is not in {file.parent}: pictures lie beside the table or below it")
    if not path.is_file():
        _refuse(file, line, f"there is no picture {record['file']} in {file.parent}")
    if record["label"] not in LABELS:
        _refuse(file, line, f"label {record['label']!r} is none of {', '.join(sorted(LABELS))}")
    split = record.get("split", "")
    if split and split not in SPLITS:
        _refuse(file, line, f"split {split!r} is neither train nor test; leave it empty to have it drawn")
    defects = {name: _defect(file, line, name, record[name]) for name in DEFECTS if name in record}
    return {"path": path, "label": record["label"], "source": record.get("source", ""), "split": split} | defects


def _defect(file: Path, line: int, name: str, value: str) -> float:
    if value not in ("", "0", "1"):
        _refuse(file, line, f"{name} is {value!r}; write 1 where the negative has it, 0 where not, nothing if unknown")
    return float(value or "nan")


def _refuse(file: Path, line: int, what: str) -> NoReturn:
    raise LabelsError(f"{file}, line {line}: {what}.")

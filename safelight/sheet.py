"""A contact sheet of what the server said: pictures, positives beside their negatives, verdicts below."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from safelight.names import shown
from safelight.whole_files import write
from safelight.writing import Written

if TYPE_CHECKING:
    from client import Prediction

_CELL, _CAPTION, _GAP, _COLUMNS = 250, 44, 10, 6
_PAPER, _INK, _FAINT = (24, 22, 22), (236, 232, 226), (165, 158, 150)


def write_sheet(predictions: Sequence["Prediction"], positives: Mapping[str, str], file: Path) -> Written:
    """Write a JPEG with a cell for each prediction, and one after it for its positive where ``positives`` has one.

    ``positives`` leads from a prediction's source to the positive's file. Pictures that could not be judged are left
    out; with none left, nothing is written. Says what became of it.
    """
    from film.errors import ImageError

    cells: list[tuple[str, str, str] | None] = []
    for one in predictions:
        if not one.error:
            positive = positives.get(one.source)
            if positive and len(cells) % _COLUMNS == _COLUMNS - 1:
                cells.append(None)  # a negative and its positive stay side by side
            cells.append((one.source, shown(Path(one.source).name), _verdict(one, negative=positive is not None)))
            if positive:
                cells.append((positive, "its positive", ""))
    if not cells:
        return Written("the contact sheet")
    try:
        trouble = write(file, _draw(cells))
    except (ImageError, OSError) as error:  # a picture that was there when the server was asked
        trouble = f"it cannot be drawn: {error}"
    return Written("the contact sheet", None if trouble else str(file), trouble)


def _verdict(one: "Prediction", *, negative: bool) -> str:
    if not negative:
        return str(one.origin)
    return ", ".join([str(one.condition), *(name.replace("_", " ") for name in one.named_defects)])


def _draw(cells: Sequence[tuple[str, str, str] | None]) -> bytes:
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    from safelight.drawing import fitted

    step_x, step_y = _CELL + _GAP, _CELL + _CAPTION + _GAP
    columns = min(_COLUMNS, len(cells))
    size = (columns * step_x + _GAP, math.ceil(len(cells) / columns) * step_y + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for number, cell in enumerate(cells):
        if cell is None:
            continue
        source, title, verdict = cell
        left, top = _GAP + number % columns * step_x, _GAP + number // columns * step_y
        upright = Image.fromarray(fitted(Path(source).read_bytes(), _CELL))
        sheet.paste(ImageOps.pad(upright, (_CELL, _CELL), Image.Resampling.LANCZOS, _PAPER), (left, top))
        draw.text((left, top + _CELL + 4), title, _INK, font)
        draw.text((left, top + _CELL + 23), verdict, _FAINT, font)
    data = io.BytesIO()
    sheet.save(data, "JPEG", quality=88)
    return data.getvalue()

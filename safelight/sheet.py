"""A contact sheet of what the server said: pictures, positives beside their negatives, verdicts below."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    from client import Prediction

_CELL, _CAPTION, _GAP, _COLUMNS = 250, 44, 10, 6
_PAPER, _INK, _FAINT = (24, 22, 22), (236, 232, 226), (165, 158, 150)


def contact_sheet(predictions: Sequence["Prediction"], positives: Mapping[str, str], file: Path) -> None:
    """Write a JPEG with a cell for each prediction, and one after it for its positive where ``positives`` has one.

    ``positives`` leads from a prediction's source to the positive's file. Pictures that could not be judged are left
    out; with none left, nothing is written.
    """
    cells: list[tuple[str, str, str] | None] = []
    for one in predictions:
        if not one.error:
            positive = positives.get(one.source)
            if positive and len(cells) % _COLUMNS == _COLUMNS - 1:
                cells.append(None)  # a negative and its positive stay side by side
            cells.append((one.source, Path(one.source).name, _verdict(one, negative=positive is not None)))
            if positive:
                cells.append((positive, "its positive", ""))
    if cells:
        _draw(cells).save(file, "JPEG", quality=88)


def _verdict(one: "Prediction", *, negative: bool) -> str:
    if not negative:
        return str(one.origin)
    return ", ".join([str(one.condition), *(name.replace("_", " ") for name in one.named_defects)])


def _draw(cells: Sequence[tuple[str, str, str] | None]) -> "Image.Image":
    from PIL import Image, ImageDraw, ImageFont, ImageOps

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
        with Image.open(source) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
        sheet.paste(ImageOps.pad(upright, (_CELL, _CELL), Image.Resampling.LANCZOS, _PAPER), (left, top))
        draw.text((left, top + _CELL + 4), title, _INK, font)
        draw.text((left, top + _CELL + 23), verdict, _FAINT, font)
    return sheet

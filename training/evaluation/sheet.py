"""A contact sheet of pictures that were judged wrongly."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

CELL, CAPTION, GAP, COLUMNS = 200, 40, 8, 6
PAPER, INK = (24, 22, 22), (236, 232, 226)
QUALITY = 85


def contact_sheet(pictures: Sequence[tuple[Path, str]]) -> bytes:
    """A JPEG with a cell for each (file, two lines of caption); the files must be pictures that can be read."""
    columns = min(COLUMNS, len(pictures))
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (columns * (CELL + GAP) + GAP, rows * (CELL + CAPTION + GAP) + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, (path, caption) in enumerate(pictures):
        left = GAP + number % COLUMNS * (CELL + GAP)
        top = GAP + number // COLUMNS * (CELL + CAPTION + GAP)
        with Image.open(path) as picture:
            picture.draft("RGB", (2 * CELL, 2 * CELL))  # a JPEG is then decoded small
            upright = ImageOps.exif_transpose(picture).convert("RGB")
        sheet.paste(ImageOps.pad(upright, (CELL, CELL), color=PAPER), (left, top))
        draw.multiline_text((left, top + CELL + 4), caption, INK, font)
    file = BytesIO()
    sheet.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()

"""Pictures of where a verdict comes from, for people. Needs Pillow, which the client alone does not."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from film.images import decode
from film.ops.overlay import overlay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from client import Explanation, Prediction

SIDE = 1600
"""Longest side in pixels of a picture under a map; smaller pictures stay as they are."""
PANEL = 800
"""The same where several stand side by side."""
_QUALITY = 90
_PAPER, _INK = (24, 22, 22), (236, 232, 226)
_CAPTION, _GAP = 0.06, 10
"""Height of a caption, as part of the picture's longer side, and pixels between panels."""


def draw_explanation(data: bytes, explanation: "Explanation") -> bytes:
    """A JPEG of the encoded picture ``data`` under its heat map, with the verdict below; ImageError as `decode`."""
    assert explanation.heatmap is not None
    return _strip([(overlay(fitted(data, SIDE), explanation.heatmap), str(explanation.origin))])


def draw_defects(data: bytes, prediction: "Prediction") -> bytes:
    """A JPEG of the encoded negative ``data`` and beside it each named defect's map; ImageError as `decode`.

    A map is drawn as it is, from 0 to 1, so that maps of several pictures can be compared; over the negative in grey,
    because its orange is one of the map's colours.
    """
    negative = fitted(data, PANEL)
    grey = np.asarray(Image.fromarray(negative).convert("L").convert("RGB"))
    panels = [(negative, f"{prediction.condition}" + ("" if prediction.named_defects else ", no defect named"))]
    for name, chance in prediction.named_defects.items():
        where = prediction.map_of(name)
        assert where is not None
        panels.append((overlay(grey, where), f"{name.replace('_', ' ')} {chance:.0%}"))
    return _strip(panels)


def fitted(data: bytes, side: int) -> "NDArray[np.uint8]":
    """Upright RGB pixels of an encoded picture, UINT8 (height, width, 3), ``side`` at most each way."""
    image = Image.fromarray(decode(data))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _strip(panels: "Sequence[tuple[NDArray[np.uint8], str]]") -> bytes:
    """Pictures of one size side by side, a caption below each, as an encoded JPEG."""
    height, width = panels[0][0].shape[:2]
    caption = max(16, round(_CAPTION * max(height, width)))
    step = width + _GAP
    sheet = Image.new("RGB", (len(panels) * step - _GAP, height + caption), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(caption * 0.6)
    for number, (picture, words) in enumerate(panels):
        sheet.paste(Image.fromarray(picture), (number * step, 0))
        draw.text((number * step + caption * 0.3, height + caption / 2), words, _INK, font, anchor="lm")
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()

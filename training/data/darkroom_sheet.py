"""Contact sheets of what the darkroom makes, to be looked at: ``python -m training darkroom``.

What is trained on should look like real negatives and real scans; no number says so as well as a look does.
"""

from collections.abc import Iterator
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from film.images import decode
from film.ops.fast import crop_resize
from film.specs import DEFECTS, NEGATIVE_CONDITION
from training.data.darkroom import visibility
from training.data.darkroom.negative import Negative, photograph_negative
from training.data.darkroom.positive import photograph_positive
from training.data.pictures import default_data, list_pictures

Picture = NDArray[np.uint8]

COLUMNS = 8
SIDE = NEGATIVE_CONDITION.size
CAPTION = 18
OUTLINE = (0, 255, 255)
LARGEST = 700
"""Long side that photographs are shrunk to before they become film."""


@click.command(epilog="Example: python -m training darkroom --out out/darkroom")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Holds digital/*.jpg.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out/darkroom"), show_default=True
)
@click.option("--seed", default=0, show_default=True)
def command(data: Path | None, out: Path, seed: int) -> None:
    """Write contact sheets of simulated negatives, each defect with its outline, and of film positives."""
    paths = list_pictures((data or default_data()) / "digital")
    if not paths:
        raise click.ClickException("There are no photographs to make film of: name a folder with --data.")
    rng = np.random.default_rng(seed)
    chosen = [paths[index] for index in rng.choice(len(paths), COLUMNS, replace=len(paths) < COLUMNS)]
    pictures = [_shrunk(decode(path.read_bytes())) for path in chosen]
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in (("negatives", negative_rows(pictures, seed)), ("positives", positive_rows(pictures, seed))):
        sheet = np.vstack([np.hstack(row) for row in track(rows, f"Making {name}")])
        cv2.imwrite(str(out / f"{name}.png"), sheet[..., ::-1])
        click.echo(f"{out / name}.png")


def negative_rows(pictures: list[Picture], seed: int) -> Iterator[list[Picture]]:
    """Rows of tiles: readable, twice; each defect, the strongest last and outlined; three defects together."""
    for number in range(2):
        yield [_tile(_negative(picture, [seed, number, i]), "readable") for i, picture in enumerate(pictures)]
    for number, defect in enumerate(DEFECTS):
        index = DEFECTS.index(defect)
        made = [_negative(picture, [seed, 2 + number, i], defect) for i, picture in enumerate(pictures)]
        made.sort(key=lambda negative: negative.strength[index])
        yield [_tile(negative, f"{defect} {negative.strength[index]:.1f}") for negative in made]
    rng = np.random.default_rng(seed)
    together = [[str(name) for name in rng.choice(DEFECTS[1:], 3, replace=False)] for _ in pictures]
    yield [
        _tile(_negative(picture, [seed, 9, i], *names), " ".join(name[:6] for name in names))
        for i, (picture, names) in enumerate(zip(pictures, together, strict=True))
    ]


def positive_rows(pictures: list[Picture], seed: int) -> Iterator[list[Picture]]:
    """Rows of tiles: the photographs, then three film positives of each."""
    yield [_captioned(crop_resize(picture, SIDE), "photograph") for picture in pictures]
    for number in range(3):
        yield [
            _captioned(
                crop_resize(photograph_positive(picture, np.random.default_rng([seed, number, i])), SIDE), "film"
            )
            for i, picture in enumerate(pictures)
        ]


def _negative(picture: Picture, seed: list[int], *defects: str) -> Negative:
    """A negative on which nobody would doubt what is there, if one of twelve is."""
    rng = np.random.default_rng(seed)
    for _ in range(12):
        negative = photograph_negative(picture, rng, defects)
        seen = visibility.verdict(negative.strength)
        if seen is not None and seen.sum() == len(defects):
            break
    return negative


def _tile(negative: Negative, caption: str) -> Picture:
    """The square that the network sees, with the outline of the defects that do not fill the frame."""
    square = crop_resize(negative.image, SIDE).copy()
    for name, mask in zip(DEFECTS, negative.mask, strict=True):
        if name != "noise" and mask.any():
            levels = np.where(mask, 255, 0).astype(np.uint8)
            seen = crop_resize(cv2.cvtColor(levels, cv2.COLOR_GRAY2RGB), SIDE)[..., 0] > 127
            outlines, _ = cv2.findContours(seen.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            cv2.drawContours(square, outlines, -1, OUTLINE, 1)
    return _captioned(square, caption)


def _captioned(square: Picture, caption: str) -> Picture:
    tile = np.zeros((SIDE + CAPTION, SIDE + 2, 3), np.uint8)
    tile[:SIDE, :SIDE] = square
    cv2.putText(tile, caption, (2, SIDE + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return tile


def _shrunk(picture: Picture) -> Picture:
    scale = min(1.0, LARGEST / max(picture.shape[:2]))
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)

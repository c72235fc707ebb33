"""Contact sheets of what the darkroom makes, to be looked at: ``python -m training darkroom``.

What is trained on should look like real negatives and real scans; no number says so as well as a look does.
"""

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from film.images import decode
from film.ops.fast import crop_resize
from film.specs import DEFECTS, FILM_ORIGIN, NEGATIVE_CONDITION
from training.data.darkroom import development, scanner, visibility
from training.data.darkroom.negative import TRAINING_WORLD, Negative, World, photograph_negative
from training.data.darkroom.positive import photograph_positive
from training.data.darkroom.twins import make_twins
from training.data.pictures import default_data, list_pictures

Picture = NDArray[np.uint8]

COLUMNS = 8
SIDE = NEGATIVE_CONDITION.size
CAPTION = 18
OUTLINE = (0, 255, 255)
LARGEST = 700
"""Long side that photographs are shrunk to before they become film."""
NEGATIVE_SIDE = 450
"""Long side of the negatives that a training makes."""
BLACK_AND_WHITE = World(("Black and white",), TRAINING_WORLD.phones)


@click.command(epilog="Example: python -m training darkroom --out out/darkroom")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Holds digital/*.jpg.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out/darkroom"), show_default=True
)
@click.option("--seed", default=0, show_default=True)
def command(data: Path | None, out: Path, seed: int) -> None:
    """Write contact sheets of all that is simulated, and tell how fast each simulator is.

    negatives.png has readable ones, each defect with its outline, dirt that is no defect, and every development;
    positives.png has twins and every scanner; grain.png has pieces of both at their own size, where grain shows.
    """
    paths = list_pictures((data or default_data()) / "digital")
    if not paths:
        raise click.ClickException("There are no photographs to make film of: name a folder with --data.")
    rng = np.random.default_rng(seed)
    chosen = [paths[index] for index in rng.choice(len(paths), COLUMNS, replace=len(paths) < COLUMNS)]
    large = [decode(path.read_bytes()) for path in chosen]
    pictures = [_shrunk(picture, LARGEST) for picture in large]
    began = perf_counter()
    twins = [_twins(picture, [seed, i]) for i, picture in enumerate(track(large, "Making twins"))]
    twins_a_second = 2 * len(twins) / (perf_counter() - began)
    out.mkdir(parents=True, exist_ok=True)
    sheets = {
        "negatives": negative_rows(pictures, seed),
        "positives": positive_rows(pictures, twins, seed),
        "grain": grain_rows(pictures, twins, seed),
    }
    for name, rows in sheets.items():
        sheet = np.vstack([np.hstack(row) for row in track(rows, f"Making {name}")])
        cv2.imwrite(str(out / f"{name}.png"), sheet[..., ::-1])
        click.echo(f"{out / name}.png")
    click.echo(speeds([_shrunk(picture, NEGATIVE_SIDE) for picture in pictures], pictures, twins_a_second))


def speeds(small: list[Picture], pictures: list[Picture], twins_a_second: float) -> str:
    """How many pictures a second each simulator makes in this process, as a line to print."""
    figures = {f"twins of {FILM_ORIGIN.size} pixels, JPEG included": twins_a_second}
    for name, make, made_of in (
        (f"positives of {LARGEST} pixels", photograph_positive, pictures),
        (f"negatives of {NEGATIVE_SIDE} pixels", photograph_negative, small),
    ):
        began = perf_counter()
        for i, picture in enumerate(made_of):
            make(picture, np.random.default_rng(i))
        figures[name] = len(made_of) / (perf_counter() - began)
    return "Pictures/s in one process: " + "; ".join(f"{name} {figure:.1f}" for name, figure in figures.items())


def negative_rows(pictures: list[Picture], seed: int) -> Iterator[list[Picture]]:
    """Rows of tiles: readable, twice; each defect, the strongest last and outlined; three defects together; the most
    dirt that is no defect; then a row of each development, and black-and-white."""
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
    dirty = [_dirtiest(picture, [seed, 10, i]) for i, picture in enumerate(pictures)]
    yield [_tile(negative, f"dirt {negative.dirt:.1%}, readable") for negative in dirty]
    for number, kind in enumerate(kind for kind in development.KINDS if kind != "fresh"):
        yield [
            _tile(photograph_negative(picture, np.random.default_rng([seed, 11 + number, i]), kind=kind), kind)
            for i, picture in enumerate(pictures)
        ]
    yield [
        _tile(
            photograph_negative(picture, np.random.default_rng([seed, 14, i]), world=BLACK_AND_WHITE), "black-and-white"
        )
        for i, picture in enumerate(pictures)
    ]


def positive_rows(pictures: list[Picture], twins: list[tuple[Picture, Picture]], seed: int) -> Iterator[list[Picture]]:
    """Rows of tiles: the photographs; digital twins and film twins of a piece of each; a positive by each scanner."""
    yield [_captioned(crop_resize(picture, SIDE), "photograph") for picture in pictures]
    for number, name in enumerate(("digital twin", "film twin")):
        yield [_captioned(crop_resize(pair[number], SIDE), name) for pair in twins]
    for number, kind in enumerate(scanner.KINDS):
        made = [
            photograph_positive(picture, np.random.default_rng([seed, number, i]), kind=kind)
            for i, picture in enumerate(pictures)
        ]
        yield [_captioned(crop_resize(positive, SIDE), f"film, {kind}") for positive in made]


def grain_rows(pictures: list[Picture], twins: list[tuple[Picture, Picture]], seed: int) -> Iterator[list[Picture]]:
    """Rows of pieces at their own size, a pixel a pixel: both twins, and a negative of the frame."""
    for number, name in enumerate(("digital twin", "film twin")):
        yield [_captioned(_middle(pair[number]), f"{name}, own size") for pair in twins]
    yield [
        _captioned(
            _middle(photograph_negative(picture, np.random.default_rng([seed, 0, i])).image), "negative, own size"
        )
        for i, picture in enumerate(pictures)
    ]


def _twins(picture: Picture, seed: list[int]) -> tuple[Picture, Picture]:
    """A piece of ``picture`` as a digital picture and as film, as a training gets them."""
    one, other = make_twins(picture, FILM_ORIGIN.size, np.random.default_rng(seed))
    return decode(one), decode(other)


def _middle(picture: Picture) -> Picture:
    """The central square of SIDE pixels, black around a picture that is smaller."""
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    top, left = (max(0, (side - SIDE) // 2) for side in picture.shape[:2])
    part = picture[top : top + SIDE, left : left + SIDE]
    square[: part.shape[0], : part.shape[1]] = part
    return square


def _dirtiest(picture: Picture, seed: list[int]) -> Negative:
    """The one of eight readable negatives that has most dust, hairs and scratches on it."""
    rng = np.random.default_rng(seed)
    return max((photograph_negative(picture, rng) for _ in range(8)), key=lambda negative: negative.dirt)


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


def _shrunk(picture: Picture, long_side: int) -> Picture:
    scale = min(1.0, long_side / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)

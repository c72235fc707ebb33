"""The pictures that ship with the project: ``python -m training samples``.

Made from licensed photographs of the test side, which no shipped weight was trained on; each from a seed of its own,
so that a rerun gives the same pictures.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from rich.progress import track

from film.images import decode
from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION
from training.data.darkroom.negative import photograph_negative
from training.data.darkroom.positive import photograph_positive
from training.data.pictures import default_data

SAMPLES = Path(__file__).parents[2] / "samples"
LONG_SIDE = 1000
QUALITY = 88
LARGEST = 200_000
"""Bytes of a sample at most; quality goes down until it fits."""
SOURCE = "github.com/drewnoakes/metadata-extractor-images, free to use"


@dataclass(frozen=True)
class Sample:
    """One file to make: ``folder/name.jpg`` from the photograph ``source``."""

    folder: str
    name: str
    source: str
    seed: int = 0
    defects: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The true answer of the model it is for."""
        if self.folder == "negatives":
            readable, damaged = NEGATIVE_CONDITION.positive, NEGATIVE_CONDITION.labels[0]
            return damaged if self.defects else readable
        return self.folder


PLAN = (
    Sample("digital", "college", "drewnoakes_9cd0111965"),
    Sample("digital", "bridge", "drewnoakes_412ff28b6b"),
    Sample("digital", "daisy", "drewnoakes_4db342f980"),
    Sample("digital", "arch_at_night", "drewnoakes_4f10534cd3"),
    Sample("film", "cairn", "drewnoakes_97f40feb6d", seed=11),
    Sample("film", "valley", "drewnoakes_d4944d41a0", seed=12),
    Sample("film", "lane", "drewnoakes_e263b288f6", seed=13),
    Sample("film", "railings", "drewnoakes_6fdf850faa", seed=14),
    Sample("negatives", "boat", "drewnoakes_7f300af0d9", seed=21),
    Sample("negatives", "monument", "drewnoakes_d26d0de61b", seed=32),
    Sample("negatives", "car", "drewnoakes_06438808b3", seed=23, defects=("holes",)),
    Sample("negatives", "sign", "drewnoakes_c654bcd9ec", seed=24, defects=("blank_area", "residual_spots")),
    Sample("negatives", "gate", "drewnoakes_eddc9a050f", seed=25, defects=("dye_removal",)),
)
MAKING = {
    "digital": "made smaller",
    "film": "simulated film positive (training/data/darkroom/positive.py)",
    "negatives": "simulated colour negative (training/data/darkroom/negative.py)",
}


def render(sample: Sample, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pixels of ``sample``, uint8 (h, w, 3) sRGB with a long side of 1000, from its photograph."""
    height, width = picture.shape[:2]
    scale = LONG_SIDE / max(height, width)
    size = (round(width * scale), round(height * scale))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    rng = np.random.default_rng(sample.seed)
    if sample.folder == FILM_ORIGIN.positive:
        return photograph_positive(small, rng)
    if sample.folder == "negatives":
        return photograph_negative(small, rng, sample.defects).image
    return small


def to_jpeg(picture: NDArray[np.uint8]) -> bytes:
    """``picture`` as a JPEG of at most ``LARGEST`` bytes and at most ``QUALITY``."""
    for quality in range(QUALITY, 10, -4):
        jpeg: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=quality, colorspace="RGB")
        if len(jpeg) <= LARGEST:
            return jpeg
    raise ValueError(f"A sample does not fit into {LARGEST} bytes even at quality 10; choose another photograph.")


@click.command(epilog="Example: python -m training samples --data licensed --out samples")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Holds digital/*.jpg.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=SAMPLES, show_default="samples")
def command(data: Path | None, out: Path) -> None:
    """Make the sample pictures, and samples.csv, which says what each is and where it comes from."""
    photographs = (data or default_data()) / "digital"
    rows = []
    for sample in track(PLAN, "Making samples"):
        path = photographs / f"{sample.source}.jpg"
        if not path.is_file():
            raise click.ClickException(f"{path} is missing: samples are made from the licensed pictures; give --data.")
        target = out / sample.folder / f"{sample.name}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(to_jpeg(render(sample, decode(path.read_bytes()))))
        where = target.relative_to(out).as_posix()
        rows.append([where, sample.label, " ".join(sample.defects), path.name, SOURCE, MAKING[sample.folder]])
    with (out / "samples.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["file", "label", "defects", "source", "licence", "made"])
        table.writerows(rows)
    click.echo(f"{len(rows)} samples in {out}")

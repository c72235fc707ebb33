"""Thin the digitised curves of OwlMightyCh/film-scan-calibration to the few numbers the darkroom needs.

``python -m training.data.darkroom.reduce_curves FOLDER`` reads ``FOLDER/*_datasheet_curves.json`` and writes
``curves/*.json``: every second point of the three characteristic curves, with three decimals, forced never to fall.
"""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from training.data.darkroom.stocks import CURVES

FILMS = {
    "Ektar100": ("Ektar 100", 100),
    "Fujicolor100": ("Fujicolor 100", 100),
    "Fujifilm200": ("Fujifilm 200", 200),
    "Fujifilm400": ("Fujifilm 400", 400),
    "Gold200": ("Gold 200", 200),
    "Portra160": ("Portra 160", 160),
    "Portra400": ("Portra 400", 400),
    "Pro400H": ("Pro 400H", 400),
    "ProImage100": ("ProImage 100", 100),
    "SuperiaPremium400": ("Superia Premium 400", 400),
    "Ultramax400": ("UltraMax 400", 400),
    "V3500T": ("Vision3 500T", 500),
}
"""File name before the underscore: the film's name and its ISO speed, which the files do not hold."""


def reduce(record: dict[str, Any], name: str, iso: int) -> dict[str, Any]:
    """The thinned record of one film; ``record`` is a ``*_datasheet_curves.json`` of the source."""
    curves = record["char_curves"]
    grid = np.array(curves["log_exposure"], np.float64)
    step = 2 * float(grid[1] - grid[0])
    thin = np.arange(grid[0], grid[-1] + step / 4, step)
    densities = curves.get("statusM_density") or curves["density"]
    layers = []
    for channel in "RGB":
        values = np.array(densities[channel], np.float64)  # null where the trace has not begun: nan
        known = np.isfinite(values)
        layers.append(np.maximum.accumulate(np.interp(thin, grid[known], values[known])))
    return {
        "name": name,
        "iso": iso,
        "source": record["source"],
        "licence": "CC BY 4.0, OwlMightyCh/film-scan-calibration; thinned and rounded",
        "units": "log10 lux-seconds; Status M density of R, G, B",
        "first_log_exposure": round(float(grid[0]), 4),
        "step": round(step, 4),
        "density": np.round(np.stack(layers, axis=1), 3).tolist(),
    }


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Write one small file a film into ``curves/``."""
    CURVES.mkdir(exist_ok=True)
    for stem, (name, iso) in FILMS.items():
        record = json.loads((folder / f"{stem}_datasheet_curves.json").read_text(encoding="utf-8"))
        text = json.dumps(reduce(record, name, iso)).replace("], [", "],\n [")
        (CURVES / f"{stem.lower()}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

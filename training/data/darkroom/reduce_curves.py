"""Thin the digitised curves of OwlMightyCh/film-scan-calibration to the few numbers the darkroom needs.

``python -m training.data.darkroom.reduce_curves FOLDER`` reads ``FOLDER/*_datasheet_curves.json`` and writes
``curves/*.json``: every second point of the three characteristic curves, with three decimals, forced never to fall.
Where there is a ``*_spectral_sensitivity.json`` too, it becomes nine numbers: how much of a scene's red, green and blue
each layer sees (see ``primaries``).
"""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from training.data.darkroom.primaries import WAVELENGTHS, reflectances
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
DYES = ("cyan", "magenta", "yellow")
"""What the layers that see red, green and blue are called in the source: by the dye they form."""


def sensitivity(record: dict[str, Any]) -> list[list[float]]:
    """Share of a scene's R, G, B (columns) in what the red-, green- and blue-sensitive layers (rows) see.

    ``record`` is a ``*_spectral_sensitivity.json`` of the source: log10 sensitivities, null where the chart ends. Each
    row adds up to 1, as the speed of each layer for white light is in the characteristic curves already.
    """
    surfaces, rows = reflectances(), []
    for dye in DYES:
        log = np.array(record["log_sensitivity"][dye], np.float64)
        linear = np.where(np.isfinite(log), np.power(10.0, log), 0.0)
        seen = np.interp(WAVELENGTHS, record["wavelength_nm"], linear, left=0.0, right=0.0)
        rows.append(surfaces @ seen / seen.sum())
    shares = np.round(rows, 3)
    shares[range(3), range(3)] += 1.0 - shares.sum(axis=1)
    return [[round(float(share), 3) for share in row] for row in shares]


def reduce(record: dict[str, Any], spectral: dict[str, Any] | None, name: str, iso: int) -> dict[str, Any]:
    """The thinned record of one film, of its ``*_datasheet_curves.json`` and its ``*_spectral_sensitivity.json``."""
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
        **({"sensitivity": sensitivity(spectral)} if spectral else {}),
        "density": np.round(np.stack(layers, axis=1), 3).tolist(),
    }


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Write one small file a film into ``curves/``."""
    CURVES.mkdir(exist_ok=True)
    for stem, (name, iso) in FILMS.items():
        record = json.loads((folder / f"{stem}_datasheet_curves.json").read_text(encoding="utf-8"))
        chart = folder / f"{stem}_spectral_sensitivity.json"
        spectral = json.loads(chart.read_text(encoding="utf-8")) if chart.is_file() else None
        text = json.dumps(reduce(record, spectral, name, iso)).replace("], [", "],\n [")
        (CURVES / f"{stem.lower()}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

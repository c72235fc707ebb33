"""Folders of real pictures as a table, and its split into a training and a test side.

``DATA/film/*`` and ``DATA/digital/*``: a folder a class. A picture's *source* is its file name up to the last
underscore (``oakes_00493955a3.jpg`` comes from ``oakes``); one photographer and one scanner repeat within a source,
so a source is never on both sides. Where one source holds most of a class, splitting by it would split nothing: there
the group is the device that ``manifest.csv`` (columns ``file`` and ``device``, beside DATA or in it) names, or else
the picture.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from film.specs import PICTURE_SUFFIXES

TEST_SHARE = 0.2
MOST = 0.5
"""A source with more than this share of a class is taken apart."""


def source_of(path: Path) -> str:
    """The file name up to its last underscore, or the whole stem where there is none."""
    return path.stem.rpartition("_")[0] or path.stem


def list_pictures(folder: Path) -> list[Path]:
    """Every picture in ``folder``, not below it, in order of name; empty when there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)


def _devices(data: Path) -> dict[str, str]:
    """Device by full path of the picture, from a manifest in ``data`` or beside it; empty without one."""
    for place in (data, data.parent):
        manifest = place / "manifest.csv"
        if manifest.is_file():
            table = pd.read_csv(manifest).dropna(subset=["device"])
            return {
                str((place / file).resolve()): str(device)
                for file, device in zip(table.file, table.device, strict=True)
            }
    return {}


def index(data: Path, labels: tuple[str, ...], seed: int = 0) -> pd.DataFrame:
    """One row a picture of ``data/<label>/``: ``path``, ``label``, ``group`` and ``split`` ("train" or "test").

    Whole groups go to the test side, in an order drawn from ``seed``, until it has a fifth of the class.
    Raises FileNotFoundError where no label has a picture.
    """
    devices = _devices(data)
    rows = []
    for label in labels:
        paths = list_pictures(data / label)
        sources = [source_of(path) for path in paths]
        for path, source in zip(paths, sources, strict=True):
            dominant = sources.count(source) > MOST * len(paths)
            group = devices.get(str(path.resolve()), path.stem) if dominant else source
            rows.append({"path": path, "label": label, "group": f"{label}/{group}"})
    if not rows:
        wanted = " or ".join(str(data / label) for label in labels)
        raise FileNotFoundError(f"There are no pictures in {wanted}: make a folder for each label and fill it.")
    table = pd.DataFrame(rows)
    table["split"] = "train"
    for label, part in table.groupby("label", sort=False):
        table.loc[part.index, "split"] = _split(part.group, np.random.default_rng([seed, labels.index(str(label))]))
    return table


def _split(groups: pd.Series, rng: np.random.Generator) -> pd.Series:
    """ "train" or "test" for each picture of one class, from its group."""
    sizes = groups.value_counts().sort_index()
    test: list[str] = []
    room = TEST_SHARE * len(groups)
    for name in rng.permutation(sizes.index.to_numpy()):
        # A group that overshoots the share by more than what is missing without it would make the test side too big.
        if sizes[name] <= 2 * room:
            test.append(name)
            room -= sizes[name]
    return groups.isin(test).map({True: "test", False: "train"})


def default_data() -> Path:
    """Pictures to train on when none are named: the data folder beside the project, or the few samples in it."""
    project = Path(__file__).parents[2]
    licensed = project.parent / "shared" / "data" / "licensed"
    return licensed if licensed.is_dir() else project / "samples"

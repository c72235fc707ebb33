"""Which pictures are trained on and which are kept to be tested on."""

from hashlib import blake2b

import pandas as pd

from film.errors import SafelightError

TEST_SHARE = 0.2
MOST = 0.5
"""A source with more than this share of a class is taken apart."""


class SplitError(SafelightError, ValueError):
    """The sides that a table asks for would put one source on both."""


def group(table: pd.DataFrame) -> pd.Series:
    """What must stay on one side, for each row of ``table`` (path, label, source, device).

    That is its source, in whichever class. Where one source holds most of a class, splitting by it would split
    nothing: there it is the device, and where that is unknown or holds most of the class too, the picture.
    """
    most = MOST * table.groupby("label").label.transform("size")
    by_source = table.groupby(["label", "source"]).label.transform("size") <= most
    by_device = (table.device != "") & (table.groupby(["label", "source", "device"]).label.transform("size") <= most)
    names = pd.Series([path.name for path in table.path], table.index)
    return table.source.where(by_source, table.source + "/" + table.device.where(by_device, names))


def split(table: pd.DataFrame, seed: int) -> pd.Series:
    """ "train" or "test" for each row of ``table`` (group, label, and split where it is given already).

    Whole groups go to the test side, in the order of a hash of ``seed`` and their name, until it has a fifth of each
    class. So the same seed gives the same sides, and a group that is added finds a place in the order that the others
    keep: it moves at most those near the end of the fifth. A group whose side is given anywhere is on that side with
    all its pictures. Raises SplitError where both are.
    """
    given = table[table.split != ""].groupby("group").split.unique()
    for name, sides in given.items():
        if len(sides) > 1:
            raise SplitError(f"The pictures of {name!r} are given to both train and test: one source is on one side.")
    sizes = pd.crosstab(table.group, table.label)
    test = [str(name) for name, sides in given.items() if sides[0] == "test"]
    room = TEST_SHARE * sizes.sum() - sizes.loc[test].sum()
    for name in sorted(set(sizes.index) - set(given.index), key=lambda name: _place(seed, str(name))):
        size = sizes.loc[name]
        # A group that overshoots the share by more than what is missing without it would make the test side too big.
        if (size <= 2 * room)[size > 0].all():
            test.append(str(name))
            room -= size
    return table.group.isin(test).map({True: "test", False: "train"})


def _place(seed: int, name: str) -> bytes:
    return blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()

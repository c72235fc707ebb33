"""A photograph as Flickr lists it, and which of its sizes is taken."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SIZES = {
    "Large": "l",
    "Large 1600": "h",
    "Large 2048": "k",
    "X-Large 3K": "3k",
    "X-Large 4K": "4k",
    "X-Large 5K": "5k",
    "X-Large 6K": "6k",
    "Original": "o",
}
"""What flickr.photos.getSizes calls a size, and its letter in ``extras=url_?``; ascending (flickr.com/services/api,
misc.urls). Nothing below Large (1024 pixels on the long side): grain is gone there, and the network looks at 700."""
LEAST = 1024
"""Pixels that the long side of a kept picture has at least; an Original may be smaller than a Large."""
_PROOF = "m"
"""Every photograph has a Medium. Where the list names it, it has named all that there is."""
EXTRAS = ",".join(["license,date_taken,owner_name,media", *(f"url_{key}" for key in (_PROOF, *SIZES.values()))])


def preference(wanted: str) -> list[str]:
    """The sizes in the order in which they are taken: ``wanted``, then the smaller ones downwards, then the larger
    ones upwards. Smaller first, because Flickr makes every size below the original: where the wanted one is missing,
    the photograph is smaller than that, or its owner keeps the large ones back.
    """
    names = list(SIZES)
    place = names.index(wanted)
    return [wanted, *reversed(names[:place]), *names[place + 1 :]]


def choose(urls: Mapping[str, str], wanted: str) -> tuple[str, str] | None:
    """Size and address of the best of ``urls`` (by size), or None where none is large enough."""
    return next(((size, urls[size]) for size in preference(wanted) if size in urls), None)


def _plain(text: str) -> str:
    """Letters, digits and hyphens only: fit for a file name, and without the underscore that ends the source."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


@dataclass(frozen=True)
class Photo:
    """One entry of a group's pool. Strings as Flickr gives them; ``taken`` is empty where Flickr does not know."""

    id: str
    owner: str
    owner_name: str
    title: str
    licence_id: str
    taken: str
    media: str
    urls: Mapping[str, str]
    """Address by size (keys of `SIZES`), as far as the list names them."""
    complete: bool
    """Whether ``urls`` is all there is; otherwise flickr.photos.getSizes has to be asked."""

    @property
    def name(self) -> str:
        """The file name without its ending, ``<owner>_<photo id>``; the ``@`` of an owner becomes a hyphen."""
        return f"{_plain(self.owner)}_{_plain(self.id)}"

    @property
    def page(self) -> str:
        """Where people look at it."""
        return f"https://www.flickr.com/photos/{self.owner}/{self.id}"

    @classmethod
    def from_answer(cls, entry: Mapping[str, Any]) -> "Photo":
        """From an element of ``photos.photo`` of flickr.groups.pools.getPhotos with `EXTRAS`, as JSON."""
        unknown = str(entry.get("datetakenunknown", "0")) == "1"
        return cls(
            id=str(entry["id"]),
            owner=str(entry["owner"]),
            owner_name=str(entry.get("ownername", "")),
            title=str(entry.get("title", "")),
            licence_id=str(entry.get("license", "")),
            taken="" if unknown else str(entry.get("datetaken", "")),
            media=str(entry.get("media", "photo")),
            urls={size: str(entry[f"url_{key}"]) for size, key in SIZES.items() if entry.get(f"url_{key}")},
            complete=f"url_{_PROOF}" in entry,
        )

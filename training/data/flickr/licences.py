"""Licences by name. Flickr numbers them and tells the numbers itself (flickr.photos.licenses.getInfo)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from training.data.flickr.errors import BadChoice

_NAMES = (
    (r"creativecommons\.org/licenses/([a-z-]+)/([\d.]+)", r"cc-\1-\2"),
    (r"creativecommons\.org/publicdomain/zero/([\d.]+)", r"cc0-\1"),
    (r"creativecommons\.org/publicdomain/mark/([\d.]+)", r"pdm-\1"),
    (r"flickr\.com/commons/usage", "no-known-copyright"),
    (r"usa\.gov/", "us-government"),
)
"""Address of a licence to its short name. Flickr's own names, such as "Attribution License", do not tell a version."""
ALL_RIGHTS = "all-rights-reserved"
EXAMPLES = "cc-by, cc-by-sa, cc-by-4.0, cc0, pdm, us-government, no-known-copyright, all-rights-reserved"


@dataclass(frozen=True)
class Licence:
    """``id`` is Flickr's number, ``name`` our short name such as ``cc-by-4.0``, ``url`` where it is written down."""

    id: str
    name: str
    url: str

    @classmethod
    def from_answer(cls, entry: Mapping[str, object]) -> "Licence":
        """From an element of ``licenses.license``; one that we do not know keeps Flickr's name, with hyphens."""
        number, url, label = str(entry["id"]), str(entry.get("url", "")), str(entry.get("name", ""))
        if number == "0":
            return cls(number, ALL_RIGHTS, url)
        for pattern, name in _NAMES:
            if found := re.search(pattern, url):
                return cls(number, found.expand(name), url)
        return cls(number, re.sub(r"[^a-z0-9.]+", "-", label.lower()).strip("-"), url)


def select(wanted: Iterable[str], known: Iterable[Licence]) -> frozenset[str]:
    """The ids of the licences that ``wanted`` names by id or by name; ``cc-by`` means ``cc-by`` of every version.

    Raises BadChoice for a name that Flickr has no licence for.
    """
    known = list(known)
    ids: set[str] = set()
    for text in wanted:
        found = {one.id for one in known if text in (one.id, one.name, re.sub(r"-[\d.]+$", "", one.name))}
        if not found:
            names = ", ".join(f"{one.name} ({one.id})" for one in known)
            raise BadChoice(f"Flickr has no licence {text!r}; it has {names}.")
        ids |= found
    return frozenset(ids)

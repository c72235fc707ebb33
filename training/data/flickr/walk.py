"""From the first page of a pool to its last, while people add to it and take away."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from training.data.flickr.api import Page

WALKS = 3
"""Times that a pool is gone through at most. A quiet pool needs one."""


def walk(page: Callable[[int], Page]) -> Iterator[Page]:
    """Every page, each with the pictures only that no earlier page had.

    A picture added while we are reading pushes one that we have seen onto the next page; one taken away pulls one
    that we have not seen onto a page behind us. Either shows, as a repetition or as another total; the pool is then
    gone through again. That costs a call for 500 pictures and downloads nothing twice.
    """
    known: set[str] = set()
    for _ in range(WALKS):
        totals: set[int] = set()
        here: set[str] = set()
        repeated = False
        number, last = 1, 1
        while number <= last:
            answer = page(number)
            ids = [photo.id for photo in answer.photos]
            repeated = repeated or not here.isdisjoint(ids) or len(set(ids)) < len(ids)
            fresh = {photo.id: photo for photo in answer.photos if photo.id not in known}
            totals.add(answer.total)
            here.update(ids)
            known.update(ids)
            yield replace(answer, photos=list(fresh.values()))
            last = answer.pages if ids else 0
            number += 1
        if len(totals) == 1 and not repeated:
            return

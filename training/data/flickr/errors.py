"""What can go wrong while collecting.

```
CollectorError              said to the person who started it
├── BadKey                  Flickr does not accept the key: nothing can be done
├── BadChoice               what was asked for does not exist
├── GroupRefused            this group cannot be listed; another one can
├── Transient               may pass: tried again, and by the next run after that
│   └── Unreachable         too many of these in a row
├── Stopped                 the run is being ended while a thread waits
└── Refused                 this picture will never be had, and why: recorded, not tried again
```
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a picture of a group is not in its folder."""

    LICENCE = "licence not asked for"
    VIDEO = "a video"
    NO_SIZE = "no size large enough"
    GONE = "gone"
    FORBIDDEN = "not public"
    NOT_A_JPEG = "not a JPEG"
    BROKEN = "broken"
    TOO_SMALL = "too small"
    DUPLICATE = "looks like another"
    OTHER_LABEL = "also under another label"


ASKED_ANEW = (Reason.LICENCE, Reason.NO_SIZE)
"""What depends on the options of a run, so that the next run decides again."""


class CollectorError(Exception):
    """Something that ends a run, a group or a picture; its text is a sentence for people."""


class BadKey(CollectorError):
    """Flickr does not accept the key or the secret."""


class BadChoice(CollectorError):
    """An option names something that does not exist, or a folder that is in use."""


class GroupRefused(CollectorError):
    """Flickr will not list this group."""


class Stopped(CollectorError):
    """The run ended while this thread waited."""


class Transient(CollectorError):
    """It may work later. ``retry_after``: seconds that the server asked to be left alone for, or None."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Unreachable(Transient):
    """So many failures in a row that going on is pointless."""


class Refused(CollectorError):
    """A picture that no further attempt would bring."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail

"""Every comparison, written down as soon as it is made, so that a search that was stopped goes on where it was."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

from film.errors import SafelightError
from loadtest.tune.knobs import Setting, named
from loadtest.tune.search import Comparison, OutOfTime

Meet = Callable[[Setting, Setting, str], Comparison]


class JournalError(SafelightError):
    """The journal is of another search, or broken."""


class Journal:
    """Comparisons in a JSON file, with the ``plan`` that they belong to; JournalError for a file of another plan, or
    a broken one.

    ``new`` is how many were made since it was opened, and ``last`` the day (UTC) of the latest of all; "" before any.
    """

    def __init__(self, file: Path, plan: Mapping[str, Any]) -> None:
        self._file, self._plan = file, json.loads(json.dumps(plan))
        self.made: list[Comparison] = []
        self.new, self.last = 0, ""
        if file.exists():
            self._read()

    def compare(self, meet: Meet, minutes: float) -> Callable[[Setting, Setting, str, bool], Comparison]:
        """``meet``, but what was written down is not made again, and OutOfTime when ``minutes`` would not suffice.

        Only the first and the last comparison of a search are made whatever the time.
        """
        until = time.monotonic() + 60 * minutes
        lasted: list[float] = []

        def compare(incumbent: Setting, challenger: Setting, attempt: str, last: bool) -> Comparison:
            for known in self.made:
                if (known.incumbent, known.challenger, known.attempt) == (named(incumbent), named(challenger), attempt):
                    return known
            begun = time.monotonic()
            if lasted and not last and begun + 2 * mean(lasted) > until:  # the last one takes as long
                raise OutOfTime
            comparison = meet(incumbent, challenger, attempt)
            lasted.append(time.monotonic() - begun)
            self.made.append(comparison)
            self.new, self.last = self.new + 1, datetime.now(UTC).date().isoformat()
            self._write()
            return comparison

        return compare

    def _read(self) -> None:
        try:
            told = json.loads(self._file.read_text(encoding="utf-8"))
            plan, self.last = dict(told["plan"]), told["last"]
            self.made = [
                Comparison(**{**one, "ratios": tuple(one["ratios"]), "reached": tuple(map(tuple, one["reached"]))})
                for one in told["comparisons"]
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(
                f"{self._file} is broken or no journal of a search ({error!r}): delete it, or begin anew with --fresh."
            ) from error
        if plan != self._plan:
            other = [name for name in sorted({*plan, *self._plan}) if plan.get(name) != self._plan.get(name)]
            raise JournalError(
                f"{self._file} is of a search with another {', '.join(other)}: name another --out, or begin anew "
                "with --fresh."
            )

    def _write(self) -> None:
        told = {"plan": self._plan, "last": self.last, "comparisons": [asdict(one) for one in self.made]}
        unfinished = self._file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        unfinished.replace(self._file)

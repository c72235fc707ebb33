"""What can go wrong on the way from weights to a served file.

SafelightError
`-- ExportError
    |-- MissingRuntime      a runtime that the file must be tried in is not installed
    `-- ParityError         the file does not answer as the trained network does
"""

from film.errors import SafelightError


class ExportError(SafelightError):
    """Base of this room's errors."""


class MissingRuntime(ExportError):
    """A runtime that the file must be tried in is not installed."""


class ParityError(ExportError):
    """The file does not answer as the trained network does, so it is not published."""

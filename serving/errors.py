"""What can be wrong before or while a server starts."""

from film.errors import SafelightError


class ServingError(SafelightError):
    """The server cannot be started, or did not prove itself. Its text is a sentence for the user."""


class Unreachable(ServingError):
    """The server does not listen, or no longer."""

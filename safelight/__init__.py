"""The front door: the ``safelight`` command, and the client for programs.

    from safelight import Client

Nothing is loaded before it is used, so that importing this package and printing help cost nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from client import AsyncClient, Client, ClientError, Explanation, Positive, Prediction, Verdict

__all__ = ["AsyncClient", "Client", "ClientError", "Explanation", "Positive", "Prediction", "Verdict"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

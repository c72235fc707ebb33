"""Which of Triton's interfaces ask for a key.

Whoever may load models may send one along, that is, run code as the server's user; whoever may trace writes files where
they like; whoever may share memory names any of this machine's, which for strangers from other machines is no service.
"""

import ipaddress
import re
import secrets

from serving.errors import ServingError

KEY_VARIABLE = "SAFELIGHT_ADMIN_KEY"
HEADER = "admin-key"
"""Of HTTP; gRPC's metadata has ``triton-grpc-protocol-`` before it."""
_GUARDED = ("model-repository", "trace", "logging")
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")


def key(given: str) -> str:
    """The key that was given, or one made up; ServingError if Triton could not be told of it."""
    if given and not _PLAIN.fullmatch(given):
        raise ServingError(f"--admin-key may have letters, digits and . _ ~ - in it, not what {KEY_VARIABLE} has.")
    return given or secrets.token_urlsafe(24)


def flags(host: str, admin_key: str) -> list[str]:
    """Triton's flags for a server that listens on ``host``, an IPv4 address."""
    shared = () if ipaddress.ip_address(host).is_loopback else ("shared-memory",)
    rule = f"{','.join((*_GUARDED, *shared))}:{HEADER}={admin_key}"
    return [f"--http-restricted-api={rule}", f"--grpc-restricted-protocol={rule}"]

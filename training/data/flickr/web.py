"""Sessions of `requests`, and which answers of a web server may be better next time."""

from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from training.data.flickr.errors import Transient

USER_AGENT = "safelight-collector (python-requests)"


def session(connections: int, check: Callable[[requests.Response], None]) -> requests.Session:
    """A session that hands every answer to ``check``, before anybody else looks at it; threads may share it."""

    def hook(response: requests.Response, *_: Any, **__: Any) -> requests.Response:
        try:
            check(response)
        except BaseException:
            response.close()
            raise
        return response

    made = requests.Session()
    made.headers["User-Agent"] = USER_AGENT
    made.hooks["response"].append(hook)
    for scheme in ("http://", "https://"):
        made.mount(scheme, HTTPAdapter(pool_maxsize=connections))
    return made


def check_for_later(response: requests.Response) -> None:
    """Raise Transient where the server is busy or ill: 429, 408 and every 5xx, with its Retry-After."""
    if response.status_code in (408, 429) or response.status_code >= 500:
        raise Transient(f"HTTP {response.status_code} {response.reason}", retry_after(response))


def retry_after(response: requests.Response) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3); None where it is absent or malformed."""
    header = response.headers.get("Retry-After")
    if header is None:
        return None
    try:
        return float(Retry().parse_retry_after(header))
    except InvalidHeader:
        return None

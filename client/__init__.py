"""The library that talks to the server.

from client import Client

with Client("localhost:8001") as client:
    for prediction in client.classify(["frame-01.jpg", "frame-02.jpg"]):
        print(prediction.source, prediction.origin, prediction.condition, prediction.error)
"""

from client.answers import Explanation, Positive, Prediction, Status, Verdict
from client.async_client import AsyncClient
from client.client import Client
from client.errors import (
    ClientError,
    InvalidAddress,
    RequestRejected,
    RequestThrottled,
    RequestTimeout,
    RequestTooLarge,
    ResponseInvalid,
    ServerFailed,
    ServerOverloaded,
    ServerUnavailable,
)
from client.fake import FakeTransport
from client.reading import Reading
from client.retry import Retry
from client.throttle import Throttle
from client.transport import Request, Response, Transport

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "Explanation",
    "FakeTransport",
    "InvalidAddress",
    "Positive",
    "Prediction",
    "Reading",
    "Request",
    "RequestRejected",
    "RequestThrottled",
    "RequestTimeout",
    "RequestTooLarge",
    "Response",
    "ResponseInvalid",
    "Retry",
    "ServerFailed",
    "ServerOverloaded",
    "ServerUnavailable",
    "Status",
    "Throttle",
    "Transport",
    "Verdict",
]

"""What can go wrong between a client and a server. What is wrong with one picture is never raised.

SafelightError                  (film.errors)
`-- ClientError                 the base of all below
    |-- InvalidAddress          the text is not the address of a server
    |-- ServerUnavailable       nobody answers there, or the server or model is not ready; worth trying again
    |   `-- ServerOverloaded    ... because its queue is full; it works, and takes requests again as the queue empties
    |       `-- RequestThrottled    ... and refuses so many that the client held it back (client.throttle)
    |-- RequestTimeout          no answer within the time allowed, from a server that answers nobody (client.sending)
    |-- RequestRejected         the server will not do this: unknown model, wrong input
    |   `-- RequestTooLarge     ... because there is too much in one request; smaller ones are tried by themselves
    |-- ServerFailed            the server tried and broke
    `-- ResponseInvalid         an answer that is not what the model promises; an empty output, for one
"""

from film.errors import SafelightError


class ClientError(SafelightError):
    """A request as a whole failed; the text says which, why, and what to do."""


class InvalidAddress(ClientError, ValueError):
    """The text is not the address of a server."""


class ServerUnavailable(ClientError):
    """Nobody answers at the address, or the server or the model is not ready. Trying again may help."""


class ServerOverloaded(ServerUnavailable):
    """The server works, and its queue is full. It did nothing with the request; trying again later may help."""


class RequestThrottled(ServerOverloaded):
    """The server has refused many requests of late, so this one was not sent, or not sent again."""


class RequestTimeout(ClientError):
    """No answer within the time allowed, retries included, and no reason to think that another would come."""


class RequestRejected(ClientError):
    """The server understood and will not do it. The same request will be rejected again."""


class RequestTooLarge(RequestRejected):
    """There is too much in one request: bytes or pictures."""


class ServerFailed(ClientError):
    """The server tried and broke; its log says why."""


class ResponseInvalid(ClientError):
    """The answer is not what the model promises: an output is missing, empty, of the wrong shape or type."""


def timed_out(address: str, timeout: float) -> RequestTimeout:
    """No answer in time."""
    return RequestTimeout(f"{address} did not answer within {timeout:g} s; allow more time or send smaller batches")

"""One HTTP exchange with an acquirer, whatever its protocol: every ending of it is a value."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec
import requests
from urllib3.exceptions import HTTPError

from services.payments.acquirers import UnknownOutcome

#: Seconds to connect, and to wait for more of the response.
TIMEOUTS: Final = (3.05, 6.0)
#: Seconds for an exchange in all: a response that trickles in does not hold its caller for ever.
WHOLE_SECONDS: Final = 7.0
MOST_BYTES: Final = 4 * 2**20

_CHUNK: Final = 64 * 1024


class Answer(msgspec.Struct, frozen=True):
    """A whole response, of any status."""

    status: int
    body: bytes


class Deadline:
    """A time by which several exchanges must have ended together."""

    def __init__(self, seconds: float = WHOLE_SECONDS) -> None:
        self._ends = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._ends


def exchange(
    method: str, url: str, deadline: Deadline | None = None, **request: Any
) -> Answer | UnknownOutcome:
    """Send a request and return its response; redirects are not followed.

    `request` holds the parameters of `requests.request`. The outcome of the call is unknown without
    a whole response of at most MOST_BYTES before the deadline.
    """
    ends = deadline or Deadline()
    if ends.is_over:
        return UnknownOutcome("deadline")
    try:
        with requests.request(
            method, url, timeout=TIMEOUTS, allow_redirects=False, stream=True, **request
        ) as response:
            body = b""
            while chunk := response.raw.read1(_CHUNK, decode_content=True):
                body += chunk
                if len(body) > MOST_BYTES:
                    return UnknownOutcome("response too large")
                if ends.is_over:
                    return UnknownOutcome("deadline")
            return Answer(response.status_code, body)
    except (requests.RequestException, HTTPError, OSError) as error:
        return UnknownOutcome(type(error).__name__)

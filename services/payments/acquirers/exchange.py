"""One HTTP exchange with an acquirer, whatever its protocol: every ending of it is a value.

Each has a connection of its own: one that is kept may have been closed by the acquirer meanwhile,
and the outcome would be unknown. urllib3 does it in 0.3 ms of CPU, `requests` in 0.8. As there,
HTTPS_PROXY, ALL_PROXY and NO_PROXY are heeded, and REQUESTS_CA_BUNDLE in place of certifi's
authorities; they are read once a process.
"""

from __future__ import annotations

import json as json_format
import os
import time
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import certifi
import msgspec
from requests.utils import get_auth_from_url, get_environ_proxies, select_proxy
from urllib3 import PoolManager, ProxyManager, Timeout, make_headers
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from services.payments.acquirers import UnknownOutcome

#: Seconds to connect, and to wait for more of the response.
TIMEOUTS: Final = (3.05, 6.0)
#: Seconds for an exchange in all: a response that trickles in does not hold its caller for ever.
WHOLE_SECONDS: Final = 7.0
MOST_BYTES: Final = 4 * 2**20

_CHUNK: Final = 64 * 1024
_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "Connection": "close"}


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
    method: str,
    url: str,
    deadline: Deadline | None = None,
    *,
    data: Mapping[str, str] | None = None,
    json: Any = None,
    params: Mapping[str, str] | None = None,
    auth: tuple[bytes, bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer | UnknownOutcome:
    """Send a request and return its response; redirects are not followed.

    Its body is a form (``data``) or JSON; ``auth`` is a user and a password. The outcome of the
    call is unknown without a whole response of at most MOST_BYTES before the deadline.
    """
    ends = deadline or Deadline()
    if ends.is_over:
        return UnknownOutcome("deadline")
    sent = {**_HEADERS, **(headers or {})}
    body: bytes | None = None
    if data is not None:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(data).encode()
    elif json is not None:
        sent["Content-Type"] = "application/json"
        body = json_format.dumps(json, allow_nan=False).encode()
    if auth is not None:
        sent["Authorization"] = f"Basic {b64encode(b':'.join(auth)).decode()}"
    try:
        return _exchanged(method, f"{url}?{urlencode(params)}" if params else url, sent, body, ends)
    except (HTTPError, OSError) as error:
        return UnknownOutcome(type(error).__name__)


def _exchanged(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, ends: Deadline
) -> Answer | UnknownOutcome:
    parts = urlsplit(url)
    # A pool that is kept would use the connection again of a server that goes on listening.
    connections = _connections(parts.scheme, parts.netloc.rpartition("@")[2])
    response = None
    try:
        response = connections.urlopen(
            method,
            url,
            body=body,
            headers=headers,
            timeout=Timeout(*TIMEOUTS),
            redirect=False,
            retries=False,
            preload_content=False,
        )
        received = b""
        while chunk := response.read1(_CHUNK, decode_content=True):
            received += chunk
            if len(received) > MOST_BYTES:
                return UnknownOutcome("response too large")
            if ends.is_over:
                return UnknownOutcome("deadline")
        return Answer(response.status, received)
    finally:
        if response is not None:
            response.close()
        connections.clear()


def _connections(scheme: str, host: str) -> PoolManager:
    """Return what connects to a host once: by the proxy that the environment names, if any."""
    context = _verifying() if scheme == "https" else None
    proxy, password = _proxy_of(scheme, host)
    if not proxy:
        return PoolManager(ssl_context=context)
    headers = make_headers(proxy_basic_auth=password) if password else None
    return ProxyManager(proxy, proxy_headers=headers, ssl_context=context)


@cache
def _proxy_of(scheme: str, host: str) -> tuple[str, str]:
    """Return the proxy by which `requests` would call a host, with its user and password."""
    url = f"{scheme}://{host}/"
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return "", ""
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    user, password = get_auth_from_url(proxy)
    return proxy, f"{user}:{password}" if user else ""


@cache
def _verifying() -> Any:
    """Return the TLS of all exchanges: reading the authorities takes 20 ms of CPU."""
    context = create_urllib3_context()
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    authorities = bundle or certifi.where()
    is_folder = os.path.isdir(authorities)
    context.load_verify_locations(
        cafile=None if is_folder else authorities, capath=authorities if is_folder else None
    )
    return context

"""Headers of security, which every response has, and of limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from werkzeug.wrappers import Response

_NO_CONTENT_LOADS = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", _NO_CONTENT_LOADS),
)
_OF_API = (("Cache-Control", "no-store"),)
_OF_HTTPS = (("Strict-Transport-Security", "max-age=63072000; includeSubDomains"),)
_WANTED = {
    (api, https): tuple(
        (header[0].lower(), header)
        for header in (*_ALWAYS, *(_OF_API if api else ()), *(_OF_HTTPS if https else ()))
    )
    for api in (False, True)
    for https in (False, True)
}
_STATE = {"policy", "limit", "window_seconds", "retry_after_seconds"}


def security_headers(response: Response, *, api: bool, https: bool) -> Iterator[tuple[str, str]]:
    """Yield the security headers that a response lacks: a page has policies of its own."""
    own = {name.lower() for name, _ in response.headers}
    for lowered, header in _WANTED[api, https]:
        if lowered not in own:
            yield header


def limit_headers(state: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what draft-ietf-httpapi-ratelimit-headers-10 says of a limit; none if it is unknown.

    ``state`` is as the services that count describe it, after a refusal without ``remaining``.
    """
    if state is None or not state.keys() >= _STATE:
        return {}
    name = f'"{state["policy"]}"'
    left, seconds = state.get("remaining", 0), state["retry_after_seconds"]
    return {
        "RateLimit-Policy": f"{name};q={state['limit']};w={state['window_seconds']}",
        "RateLimit": f"{name};r={left};t={seconds}",
    }

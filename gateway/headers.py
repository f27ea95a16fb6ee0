"""Headers of security, which every response has, and of limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Response

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NO_CONTENT_LOADS = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_TWO_YEARS = "max-age=63072000; includeSubDomains"
_STATE = {"policy", "limit", "window_seconds", "retry_after_seconds"}


def secure(response: Response, *, api: bool, https: bool) -> None:
    """Add the security headers; keep a page's own Content-Security-Policy."""
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", _NO_CONTENT_LOADS)
    if api:
        response.headers.setdefault("Cache-Control", "no-store")
    if https:
        response.headers["Strict-Transport-Security"] = _TWO_YEARS


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

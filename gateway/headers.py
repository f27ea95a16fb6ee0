"""Security headers, which every response has."""

from __future__ import annotations

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
_ONE_YEAR = "max-age=31536000"


def secure(response: Response, *, api: bool, https: bool) -> None:
    """Add the security headers; keep a page's own Content-Security-Policy."""
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", _NO_CONTENT_LOADS)
    if api:
        response.headers.setdefault("Cache-Control", "no-store")
    if https:
        response.headers["Strict-Transport-Security"] = _ONE_YEAR

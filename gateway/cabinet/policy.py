"""Headers of pages, and their compression."""

from __future__ import annotations

import gzip
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from shared.config import Settings

COMPRESS_FROM = 1024
"""Bytes: below, compressing costs more than it saves."""

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'{bank}; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
GOES_TO_BANK = "saldo.goes_to_bank"
"""Key of the WSGI environment: the page has a form whose answer leads to the acquirer's page."""


def secure_page(request: Request, response: Response, settings: Settings) -> Response:
    """Add what a page carries: its Content-Security-Policy, and gzip where the browser takes it."""
    bank = ""
    if GOES_TO_BANK in request.environ:
        # A browser applies form-action to the redirect that answers a form, too.
        bank = "".join(f" {origin}" for origin in _origins_of_acquirers(settings))
    # A download has a stricter one of its own.
    response.headers.setdefault("Content-Security-Policy", _POLICY.format(bank=bank))
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Referrer-Policy"] = "same-origin"
    response.vary.update(["Accept-Language", "Cookie"])
    return compressed(request, response)


def compressed(request: Request, response: Response) -> Response:
    """Return the response with its body in gzip, where that is worth it and wanted."""
    response.vary.add("Accept-Encoding")
    already = "Content-Encoding" in response.headers
    if already or response.is_streamed or request.accept_encodings["gzip"] <= 0:
        return response
    body = response.get_data()
    if len(body) >= COMPRESS_FROM and (response.mimetype or "").startswith("text/"):
        response.set_data(gzip.compress(body, 6, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def is_of_acquirer(url: str, settings: Settings) -> bool:
    """Return whether a form of a page with GOES_TO_BANK may lead to an address."""
    return origin_of(url) in _origins_of_acquirers(settings)


def _origins_of_acquirers(settings: Settings) -> list[str]:
    sites = [site for one in settings.acquirers for site in one.sites]
    return list(dict.fromkeys(map(origin_of, sites)))


def origin_of(url: str) -> str:
    """Return scheme and host of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"

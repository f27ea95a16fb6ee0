"""The responses of the bank over HTTP: pages, JSON, redirects."""

from __future__ import annotations

import json
from typing import Any, Final

from werkzeug.wrappers import Request, Response

_LARGEST_BODY: Final = 64 * 1024
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline';"
    " base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class BankRequest(Request):
    max_content_length = _LARGEST_BODY
    max_form_memory_size = _LARGEST_BODY


def page(body: str, status: int = 200) -> Response:
    """Return an HTML page, which runs no script and is shown in no frame."""
    return Response(body, status=status, content_type="text/html; charset=utf-8", headers=_HEADERS)


def json_response(answer: dict[str, Any], status: int = 200) -> Response:
    """Return a JSON object."""
    body = json.dumps(answer, ensure_ascii=False)
    return Response(body, status=status, content_type="application/json; charset=utf-8")


def redirect(location: str) -> Response:
    """Return a redirect after a form, or to the page that is the right one now."""
    return Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})

"""The kinds of responses: a page, an object, a redirect."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Response


def html(body: str, status: int = 200) -> Response:
    """Return a page."""
    return Response(
        body,
        status=status,
        content_type="text/html; charset=utf-8",
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline';"
            " base-uri 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        },
    )


def json_object(described: dict[str, Any], status: int = 200) -> Response:
    """Return an object as JSON."""
    body = json.dumps(described, ensure_ascii=False)
    return Response(body, status=status, content_type="application/json; charset=utf-8")


def redirect(location: str) -> Response:
    """Return a redirect of which the browser asks by GET."""
    return Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})

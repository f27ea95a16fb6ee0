"""The cookies of the cabinet, all first-party; device, invitation and look outlive the browser."""

from __future__ import annotations

from dataclasses import dataclass, replace

from werkzeug.wrappers import Request, Response

SESSION = "__Host-saldo"
"""The token of the session, as identity gave it."""
VISITOR = "__Host-visitor"
"""A random value: who fills in a form before there is a session. CSRF tokens are bound to it."""
NOTICE = "__Host-notice"
"""What the next page says first, sealed: a notice after a form was accepted."""
CODES = "__Host-codes"
"""Recovery codes that were issued a moment ago, sealed, for the page that shows them once."""
DEVICE = "__Host-device"
"""What identity knows this browser by; it opens nothing, and stays when the session ends."""
INVITATION = "__Host-invitation"
"""An invitation to an account, sealed: it waits until its guest has registered and logged in."""
LOOK = "__Host-look"
"""How pages look: it is read before log-in too, and holds nothing about a person."""

YEAR = 365 * 24 * 3600
THEMES = ("auto", "light", "dark", "contrast")
SIZES = ("100", "150", "200")
LANGUAGES = ("ru", "en")


@dataclass(frozen=True)
class Look:
    """Colours, size of text in per cent, and language; "" leaves the language to the browser."""

    theme: str = "auto"
    size: str = "100"
    language: str = ""

    @classmethod
    def of(cls, request: Request) -> Look:
        """Return the look that the cookie names; what it names wrongly stays at its default."""
        theme, size, language = [*request.cookies.get(LOOK, "").split("."), "", "", ""][:3]
        look = cls()
        if theme in THEMES:
            look = replace(look, theme=theme)
        if size in SIZES:
            look = replace(look, size=size)
        if language in LANGUAGES:
            look = replace(look, language=language)
        return look

    def keep(self, response: Response) -> None:
        """Keep the look for a year."""
        keep(response, LOOK, f"{self.theme}.{self.size}.{self.language}", seconds=YEAR)


def keep(response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
    """Set a ``__Host-`` cookie: this host and HTTPS (or this very machine) only, no script."""
    response.set_cookie(
        name, value, max_age=seconds, secure=True, httponly=True, samesite="Lax", path="/"
    )


def forget_person(response: Response) -> None:
    """Delete what the next one at this browser must not find: it is somebody's, or opens it."""
    for name in (SESSION, CODES, INVITATION):
        drop(response, name)


def drop(response: Response, name: str) -> None:
    """Delete a cookie."""
    response.delete_cookie(name, secure=True, httponly=True, samesite="Lax", path="/")

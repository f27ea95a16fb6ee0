"""How pages look: size of text, colours, language; before log-in too."""

from __future__ import annotations

from dataclasses import replace

from werkzeug.wrappers import Response

from gateway.cabinet.cookies import LANGUAGES, SIZES, THEMES, Look
from gateway.cabinet.page import page
from gateway.cabinet.visit import Visit, own_path
from gateway.operations import Access


class LookPages:
    """One page, no script; the choice is kept for a year."""

    @page("GET", "/look", access=Access.PUBLIC, greets=True)
    def look_form(self, visit: Visit) -> Response:
        """Show the choices; a link with a language takes it at once and goes back."""
        next_ = own_path(visit.query.get("next", "/"))
        language = visit.query.get("language")
        if language in LANGUAGES:
            return _kept(visit, replace(visit.look, language=language), next_)
        return visit.render("look.html", next=next_)

    @page("POST", "/look", access=Access.PUBLIC)
    def submit_look(self, visit: Visit) -> Response:
        """Keep the choice and go back to where it was made."""
        theme, size = visit.form.get("theme", ""), visit.form.get("size", "")
        language = visit.form.get("language", "")
        look = Look(
            theme=theme if theme in THEMES else visit.look.theme,
            size=size if size in SIZES else visit.look.size,
            language=language if language in LANGUAGES else visit.look.language,
        )
        return _kept(visit, look, own_path(visit.form.get("_next", "/")))


def _kept(visit: Visit, look: Look, next_: str) -> Response:
    response = visit.redirect(next_)
    look.keep(response)
    return response

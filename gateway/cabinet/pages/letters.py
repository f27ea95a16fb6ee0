"""«Письма»: their language, which of them come, the last ones; the link that switches some off."""

from __future__ import annotations

from email.utils import parseaddr
from functools import partial
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet.page import page
from gateway.cabinet.visit import Refused, Visit
from gateway.messages.letters import letter_title
from gateway.operations import Access
from gateway.routes.letters import LetterRoutes
from gateway.routes.me import MeRoutes

HOME = "/settings/letters"


class LetterPages:
    """The letters to whoever is signed in, or has opened the link in one of them."""

    @page("GET", HOME)
    def letters_form(self, visit: Visit) -> Response:
        """Show the language, the letters that can be switched off, and the last ones."""
        return _letters(visit)

    @page("POST", HOME)
    def submit_letters(self, visit: Visit) -> Response:
        """Choose the language and the letters."""
        outcome = visit.attempt(
            LetterRoutes.choose_letters,
            body={
                "language": visit.form.get("language", ""),
                "optional": {kind: visit.form.get(kind) == "yes" for kind in optional(visit)},
            },
            says={"language": visit.text("Выберите язык писем.")},
        )
        if isinstance(outcome, Refused):
            return _letters(visit, outcome.errors)
        return visit.redirect(HOME, outcome["message"])

    @page("GET", "/letters/unsubscribe/<token:link>", access=Access.PUBLIC)
    def subscription_page(self, visit: Visit) -> Response:
        """Say what the link would switch off; programs follow links, so this changes nothing."""
        return _subscription(visit)

    @page("POST", "/letters/unsubscribe/<token:link>", access=Access.PUBLIC, one_click=True)
    def submit_unsubscribe(self, visit: Visit) -> Response:
        """Switch the letters off, for a person or for a mail program (RFC 8058).

        Mail programs follow no redirect, and show no page.
        """
        visit.api(LetterRoutes.unsubscribe, body={"token": visit.path["link"]})
        return Response() if visit.one_click else visit.redirect(visit.request.path)


def optional(visit: Visit) -> dict[str, str]:
    """Return when each of the optional letters comes, by kind, in the order of the page."""
    return {
        "bill_ready": visit.text(
            "Приходит, когда готов счёт за месяц: сколько начислено и до какого дня."
        ),
        "due_soon": visit.text("Приходит за несколько дней до срока, если счёт ещё не оплачен."),
        "overdue": visit.text("Приходит после срока, за несколько дней до начала пеней."),
    }


def _letters(visit: Visit, errors: Any = None) -> Response:
    profile, letters = visit.together(
        lambda: visit.api(MeRoutes.profile), lambda: visit.api(LetterRoutes.letters)
    )
    wanted = [kind for kind, is_wanted in letters["optional"].items() if is_wanted]
    typed = "language" in visit.form
    return visit.render(
        "letters.html",
        email=profile["email"],
        sender=parseaddr(visit.settings.mail_from)[1],
        chosen=visit.form["language"] if typed else letters["language"],
        ticked=[kind for kind in visit.form if kind in optional(visit)] if typed else wanted,
        optional=optional(visit),
        title_of=partial(letter_title, language=visit.language),
        letters=letters["letters"],
        bounced_since=letters["bounced_since"],
        errors=errors,
    )


def _subscription(visit: Visit) -> Response:
    found = visit.api(LetterRoutes.subscription, path=visit.path)
    return visit.render(
        "unsubscribe.html",
        link=visit.path["link"],
        letter=found,
        comes=optional(visit)[found["kind"]],
    )

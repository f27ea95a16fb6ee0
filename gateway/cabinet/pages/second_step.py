"""The second step of a log-in, and the log-in by a passkey alone."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet import passkeys
from gateway.cabinet.forms import KEPT
from gateway.cabinet.page import page
from gateway.cabinet.pages.entry import device_token, log_in_page, signed_in
from gateway.cabinet.visit import Refused, Visit, own_path
from gateway.operations import Access
from gateway.problems import refusal_of
from gateway.routes.second_step import SecondStepRoutes
from shared.errors import Conflict

EXPIRED = "challenge_expired"


class SecondStepPages:
    """What follows the password, or takes its place."""

    @page("GET", "/log-in/second/<uuid:challenge_id>", access=Access.PUBLIC)
    def second_step_form(self, visit: Visit) -> Response:
        """Ask for a passkey or a code."""
        return _step(visit, own_path(visit.query.get("next", "")))

    @page("POST", "/log-in/second/<uuid:challenge_id>", access=Access.PUBLIC)
    def submit_second_step(self, visit: Visit) -> Response:
        """Open the session; a form that waited for it is shown filled in, not sent."""
        by_passkey = "credential" in visit.form
        outcome = visit.attempt(
            SecondStepRoutes.take_second_step,
            body={
                "challenge_id": str(visit.path["challenge_id"]),
                "code": None if by_passkey else visit.form.get("code", ""),
                "passkey": passkeys.posted_credential(visit) if by_passkey else None,
                "device": None,
                "device_token": device_token(visit),
            },
            says={"code": visit.text("Введите шесть цифр из приложения или код восстановления.")},
        )
        kept, next_ = visit.form.get(KEPT, ""), own_path(visit.form.get("_next", ""))
        if isinstance(outcome, Refused):
            errors = passkeys.in_words(visit, outcome.errors) if by_passkey else outcome.errors
            return _step(visit, next_, kept, errors)
        return signed_in(self, visit, outcome, kept, next_)

    @page("GET", "/log-in/passkey", access=Access.PUBLIC)
    def passkey_form(self, visit: Visit) -> Response:
        """Have a passkey sign; the log-in by password is a link away."""
        return _passkey(visit, own_path(visit.query.get("next", "")))

    @page("POST", "/log-in/passkey", access=Access.PUBLIC)
    def log_in_by_passkey(self, visit: Visit) -> Response:
        """Open the session of whoever the passkey names."""
        outcome = visit.attempt(
            SecondStepRoutes.sign_in_by_passkey,
            body={
                "passkey": passkeys.posted_credential(visit),
                "device": None,
                "device_token": device_token(visit),
            },
        )
        next_ = own_path(visit.form.get("_next", ""))
        if isinstance(outcome, Refused):
            return _passkey(visit, next_, passkeys.in_words(visit, outcome.errors))
        return signed_in(self, visit, outcome, "", next_)


def _step(visit: Visit, next_: str, kept: str = "", errors: Any = None) -> Response:
    """Return the page of the step; the log-in from its beginning once the step has expired."""
    try:
        return passkeys.second_step_page(
            visit, str(visit.path["challenge_id"]), next_=next_, kept=kept, errors=errors
        )
    except Conflict as expired:
        if expired.code != EXPIRED:
            raise
        why = visit.refused(refusal_of(expired)).errors
        return log_in_page(visit, next_=next_, kept=kept, errors=why)


def _passkey(visit: Visit, next_: str, errors: Any = None) -> Response:
    options = None
    if passkeys.available(visit):
        options = json.dumps(visit.api(SecondStepRoutes.passkey_request)["passkey"])
    return visit.render(
        "log_in_passkey.html",
        options=options,
        elsewhere=passkeys.elsewhere(visit),
        next=next_,
        errors=errors,
    )

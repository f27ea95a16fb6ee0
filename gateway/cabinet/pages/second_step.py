"""The second step of a log-in and within a session, and the log-in by a passkey alone."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet import passkeys
from gateway.cabinet.first_pages import CONFIRMATION
from gateway.cabinet.forms import KEPT
from gateway.cabinet.page import page, shown_again, waiting_form
from gateway.cabinet.pages.entry import device_token, log_in_page, signed_in
from gateway.cabinet.visit import Refused, Visit, own_path
from gateway.operations import Access
from gateway.problems import refusal_of
from gateway.routes.second_factors import SecondFactorRoutes
from gateway.routes.second_step import SecondStepRoutes
from shared.errors import Conflict

EXPIRED = "challenge_expired"
SECURITY = "/settings/security"


class SecondStepPages:
    """What follows the password, takes its place, or stands before a change of access."""

    @page("GET", "/log-in/second/<uuid:challenge_id>", access=Access.PUBLIC)
    def second_step_form(self, visit: Visit) -> Response:
        """Ask for a passkey or a code."""
        return _step(visit, own_path(visit.query.get("next", "")))

    @page("POST", "/log-in/second/<uuid:challenge_id>", access=Access.PUBLIC)
    def submit_second_step(self, visit: Visit) -> Response:
        """Open the session; a form that waited for it is shown filled in, not sent."""
        outcome = _attempt(
            visit,
            SecondStepRoutes.take_second_step,
            challenge_id=str(visit.path["challenge_id"]),
            device=None,
            device_token=device_token(visit),
        )
        kept, next_ = visit.form.get(KEPT, ""), own_path(visit.form.get("_next", ""))
        if isinstance(outcome, Refused):
            return _step(visit, next_, kept, outcome.errors)
        return signed_in(self, visit, outcome, kept, next_)

    @page("GET", CONFIRMATION, access=Access.ANY_PASSWORD)
    def confirmation_form(self, visit: Visit) -> Response:
        """Ask for a passkey or a code before a change of access."""
        asked = visit.form.get("_next") or visit.query.get("next", "")
        return _confirmation(visit, own_path(asked), visit.form.get(KEPT, ""))

    @page("POST", CONFIRMATION, access=Access.ANY_PASSWORD)
    def submit_confirmation(self, visit: Visit) -> Response:
        """Go on to the change; a form that waited for the step is shown filled in, not sent."""
        outcome = _attempt(visit, SecondFactorRoutes.reauthenticate)
        kept, next_ = visit.form.get(KEPT, ""), own_path(visit.form.get("_next", ""))
        if isinstance(outcome, Refused):
            return _confirmation(visit, next_, kept, outcome.errors)
        waiting = waiting_form(visit, kept, visit.person.person_id) if visit.person else None
        if waiting is not None:
            return shown_again(self, visit, waiting, visit.token, visit.visitor)
        return visit.redirect(_onward(next_))

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


def _attempt(visit: Visit, endpoint: Any, **more: Any) -> Any:
    """Send the code or the signed request of a form; return the data, or Refused."""
    by_passkey = "credential" in visit.form
    outcome = visit.attempt(
        endpoint,
        body={
            "code": None if by_passkey else visit.form.get("code", ""),
            "passkey": passkeys.posted_credential(visit) if by_passkey else None,
            **more,
        },
        says={"code": visit.text("Введите шесть цифр из приложения или код восстановления.")},
    )
    if isinstance(outcome, Refused) and by_passkey:
        return Refused(errors=passkeys.in_words(visit, outcome.errors))
    return outcome


def _confirmation(visit: Visit, next_: str, kept: str, errors: Any = None) -> Response:
    """Return the page of the step; the way on where it is not asked for."""
    step = visit.api(SecondFactorRoutes.reauthentication)
    if not step["required"]:
        return visit.redirect(_onward(next_))
    return passkeys.step_page(visit, "security_confirm.html", step, next_, kept, errors)


def _onward(next_: str) -> str:
    return SECURITY if next_ == "/" else next_


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

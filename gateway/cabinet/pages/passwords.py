"""Passwords: the forced change at the first log-in (S9), a later one, recovery."""

from __future__ import annotations

from functools import partial
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet import cookies
from gateway.cabinet.letter_notices import are_late
from gateway.cabinet.page import page
from gateway.cabinet.pages.entry import device_token
from gateway.cabinet.visit import Refused, Visit
from gateway.operations import Access
from gateway.routes.me import MeRoutes
from gateway.routes.password_resets import PasswordResetRoutes


class PasswordPages:
    """Changing a password, and getting one when it is forgotten."""

    @page("GET", "/password", access=Access.ANY_PASSWORD, reauthenticated=True)
    def password_form(self, visit: Visit) -> Response:
        """Show the change of password; with a temporary one nothing else answers."""
        return visit.render("password.html")

    @page("POST", "/password", access=Access.ANY_PASSWORD)
    def submit_password(self, visit: Visit) -> Response:
        """Change the password."""
        first = visit.person is not None and visit.person.must_change_password
        outcome = visit.attempt(
            MeRoutes.change_password,
            body={
                "current_password": visit.form.get("current_password", ""),
                "new_password": visit.form.get("new_password", ""),
            },
            says={
                "current_password": visit.text("Введите пароль от кабинета."),
                "new_password": visit.text("Введите новый пароль."),
            },
        )
        if isinstance(outcome, Refused):
            return visit.render("password.html", errors=outcome.errors)
        response = visit.redirect("/accounts" if first else "/settings", outcome["message"])
        cookies.keep(response, cookies.SESSION, outcome["token"])
        return response

    @page("GET", "/recover", access=Access.PUBLIC)
    def recovery_form(self, visit: Visit) -> Response:
        """Ask whose password is forgotten."""
        return visit.render("recover.html")

    @page("POST", "/recover", access=Access.PUBLIC)
    def start_recovery(self, visit: Visit) -> Response:
        """Have a link sent; a known e-mail looks the same as an unknown one."""
        outcome = visit.attempt(
            PasswordResetRoutes.request_password_reset,
            body={
                "email": visit.form.get("email", "").strip(),
                "device_token": device_token(visit),
            },
            says={"email": visit.text("Введите адрес почты, например ivanov@example.org.")},
        )
        if isinstance(outcome, Refused):
            return visit.render("recover.html", errors=outcome.errors)
        return visit.redirect("/recover/sent")

    @page("GET", "/recover/sent", access=Access.PUBLIC)
    def recovery_sent(self, visit: Visit) -> Response:
        """Say that a letter is on its way, if the address is known."""
        return visit.render("recover_sent.html", are_late=visit.aside(partial(are_late, visit))())

    @page("GET", "/recover/<token:token>", access=Access.PUBLIC)
    def new_password_form(self, visit: Visit) -> Response:
        """Ask for the new password."""
        return _new_password_form(visit)

    @page("POST", "/recover/<token:token>", access=Access.PUBLIC)
    def finish_recovery(self, visit: Visit) -> Response:
        """Set the new password."""
        outcome = visit.attempt(
            PasswordResetRoutes.confirm_password_reset,
            body={
                "token": visit.path["token"],
                "new_password": visit.form.get("new_password", ""),
            },
            says={"new_password": visit.text("Введите новый пароль.")},
        )
        if isinstance(outcome, Refused):
            return _new_password_form(visit, outcome.errors)
        return visit.redirect("/", outcome["message"])


def _new_password_form(visit: Visit, errors: Any = None) -> Response:
    return visit.render("recover_password.html", token=visit.path["token"], errors=errors)

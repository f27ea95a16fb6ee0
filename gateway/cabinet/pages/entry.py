"""Log-in and log-out."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from werkzeug.wrappers import Response

from gateway.auth import MAX_TOKEN_LENGTH, person_of_token
from gateway.cabinet import cookies
from gateway.cabinet.forms import KEPT
from gateway.cabinet.page import page, shown_again, waiting_form
from gateway.cabinet.pages.acceptance import acceptance_page, acceptance_path
from gateway.cabinet.passkeys import second_step_page
from gateway.cabinet.visit import Refused, Visit, own_path
from gateway.operations import Access
from gateway.problems import Refusal
from gateway.routes.sessions import SessionRoutes
from shared.errors import ServiceError
from shared.ids import new_id
from shared.logs import get_logger

log = get_logger("gateway.cabinet.entry")

HOME = "/accounts"


class EntryPages:
    """The way in and the way out."""

    @page("GET", "/", access=Access.PUBLIC, greets=True)
    def log_in_form(self, visit: Visit) -> Response:
        """Show the log-in; whoever is signed in goes on to the accounts."""
        if visit.person:
            return visit.redirect(HOME)
        return log_in_page(visit, next_=visit.query.get("next", ""))

    @page("POST", "/login", access=Access.PUBLIC, shown_by="/")
    def log_in(self, visit: Visit) -> Response:
        """Open a session; a form that waited for it is shown filled in, not sent."""
        outcome = visit.attempt(
            SessionRoutes.sign_in,
            body={
                "email": visit.form.get("email", "").strip(),
                "password": visit.form.get("password", ""),
                "device": None,
                "device_token": device_token(visit),
            },
            says={
                "email": visit.text("Введите адрес почты, на который зарегистрирован кабинет."),
                "password": visit.text("Введите пароль."),
            },
        )
        kept, next_ = visit.form.get(KEPT, ""), own_path(visit.form.get("_next", ""))
        if isinstance(outcome, Refused) and outcome.errors.code == "sign_in_by_letter":
            return log_in_page(
                visit, next_=next_, kept=kept, letter=outcome.errors.text, status=403
            )
        if isinstance(outcome, Refused):
            return _refused(visit, outcome, next_, kept)
        return signed_in(self, visit, outcome, kept, next_)

    @page("GET", "/log-in/<token:token>", access=Access.PUBLIC)
    def log_in_link_form(self, visit: Visit) -> Response:
        """Show a button: programs that look into mailboxes follow links, and must not use it up."""
        return visit.render("log_in_link.html", token=visit.path["token"])

    @page("POST", "/log-in/<token:token>", access=Access.PUBLIC)
    def log_in_by_link(self, visit: Visit) -> Response:
        """Open a session by the link of a letter."""
        outcome = visit.attempt(
            SessionRoutes.sign_in_by_link,
            body={
                "token": visit.path["token"],
                "device": None,
                "device_token": device_token(visit),
            },
        )
        if isinstance(outcome, Refused):
            return _refused(visit, outcome, "/", "")
        return signed_in(self, visit, outcome, "", HOME)

    @page("POST", "/logout", access=Access.PUBLIC, greets=True)
    def log_out(self, visit: Visit) -> Response:
        """End the session, and with it what the browser has kept of it."""
        if visit.person:
            visit.api(SessionRoutes.end_session, path={"session_id": visit.person.session_id})
        response = visit.redirect("/", visit.text("Вы вышли из кабинета."))
        cookies.forget_person(response)
        cookies.drop(response, cookies.VISITOR)
        response.headers["Clear-Site-Data"] = '"cache"'
        return response


def _refused(visit: Visit, outcome: Refused, next_: str, kept: str) -> Response:
    """Return the log-in with what is wrong, or the way to the second step."""
    if outcome.errors.code != "second_factor_required":
        return log_in_page(visit, next_=next_, kept=kept, errors=outcome.errors)
    challenge_id = str(outcome.errors.params["challenge_id"])
    if kept:  # it travels in the page, and is too long for an address
        return second_step_page(visit, challenge_id, next_=next_, kept=kept)
    return visit.redirect(f"/log-in/second/{challenge_id}?" + urlencode({"next": next_}))


def device_token(visit: Visit) -> str | None:
    """Return what identity knows this browser by; None for one that sends nothing of ours."""
    token = visit.request.cookies.get(cookies.DEVICE, "")
    return token if 0 < len(token) <= MAX_TOKEN_LENGTH else None


def signed_in(
    service: Any, visit: Visit, opened: dict[str, Any], kept: str, next_: str
) -> Response:
    """Return the page that follows a log-in of any kind, with the cookies of the session."""
    response = _onward(service, visit, opened, kept, next_)
    _end_former_session(visit)
    cookies.keep(response, cookies.SESSION, opened["token"])
    cookies.keep(response, cookies.DEVICE, opened["device_token"], seconds=cookies.YEAR)
    return response


def _end_former_session(visit: Visit) -> None:
    """End the session that this browser had: its token is replaced, and nobody could end it."""
    if not visit.token:
        return
    try:
        former = person_of_token(visit.token, visit.services)
        leaving = replace(visit, person=former, command_id=new_id())
        leaving.api(SessionRoutes.end_session, path={"session_id": former.session_id})
    except Refusal:  # it had ended before
        return
    except ServiceError as error:
        log.warning("former_session_not_ended", code=error.code)


def _onward(service: Any, visit: Visit, opened: dict[str, Any], kept: str, next_: str) -> Response:
    # A new visitor: what somebody else might have learned of the old one is worth nothing now.
    visitor = secrets.token_urlsafe(16)
    waiting = waiting_form(visit, kept, opened["person_id"])
    if kept and waiting is None:
        next_ = HOME
    if opened["must_change_password"]:
        response = visit.redirect("/password")
    elif opened["must_accept"]:
        response = _accept_first(visit, opened["token"], visitor, kept if waiting else "", next_)
    elif waiting:
        response = shown_again(service, visit, waiting, opened["token"], visitor)
    else:
        response = visit.redirect(next_ if next_ != "/" else HOME)
    cookies.keep(response, cookies.VISITOR, visitor)
    return response


def _accept_first(visit: Visit, token: str, visitor: str, kept: str, next_: str) -> Response:
    """Lead to the new rules; a form that waited for the log-in waits on."""
    if not kept:
        return visit.redirect(acceptance_path(next_))
    person = person_of_token(token, visit.services)
    signed_in = replace(visit, person=person, token=token, visitor=visitor, form={})
    return acceptance_page(signed_in, kept=kept, next_=next_)


def log_in_page(visit: Visit, *, next_: str, status: int = 200, **shown: Any) -> Response:
    """Return the log-in: with ``errors``, a form that is ``kept``, a ``letter`` that is due."""
    return visit.render(
        "log_in.html",
        status=status,
        next=own_path(next_),
        **{"ended": False, "kept": "", "letter": "", **shown},
    )

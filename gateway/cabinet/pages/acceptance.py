"""A new version of the rules or the consent: asked for before anything else answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from werkzeug.wrappers import Response

from gateway.auth import person_of_token
from gateway.cabinet.document_versions import BOXES, changed_since_shown, changes, read_to_accept
from gateway.cabinet.first_pages import ACCEPTANCE
from gateway.cabinet.forms import KEPT, FormErrors
from gateway.cabinet.page import page, shown_again, waiting_form
from gateway.cabinet.visit import Refused, Visit, own_path
from gateway.operations import Access, Person
from gateway.routes.me import MeRoutes

HOME = "/accounts"
_MISSING = {"rules": "rules_not_accepted", "consent": "consent_not_given"}


class AcceptancePages:
    """The way back into the cabinet after the operator has published a new version."""

    @page("GET", ACCEPTANCE, access=Access.UNACCEPTED)
    def acceptance_form(self, visit: Visit) -> Response:
        """Show what is new, with a tick for each document."""
        kept, next_ = visit.form.get(KEPT, ""), visit.form.get("_next") or visit.query.get("next")
        if not _person(visit).must_accept:
            return visit.redirect(_next(next_))
        return acceptance_page(visit, kept=kept, next_=next_)

    @page("POST", ACCEPTANCE, access=Access.UNACCEPTED)
    def submit_acceptance(self, visit: Visit) -> Response:
        """Accept the versions that the form showed, and go on to where the person was going."""
        kept, next_ = visit.form.get(KEPT, ""), visit.form.get("_next")
        person = _person(visit)
        if not person.must_accept:  # accepted meanwhile, on another page that was open
            return _onward(self, visit, person, kept, next_)
        shown = [kind for kind in BOXES if visit.form.get(f"{kind}_version")]
        missing = {
            BOXES[kind]: visit.message(_MISSING[kind])
            for kind in shown
            if visit.form.get(BOXES[kind]) != "yes"
        }
        if missing:
            unticked = FormErrors(code="not_accepted", text="", fields=missing)
            return acceptance_page(visit, kept=kept, next_=next_, errors=unticked)
        outcome = visit.attempt(
            MeRoutes.accept_documents,
            body={
                "documents": [
                    {"kind": kind, "version": visit.form[f"{kind}_version"]} for kind in shown
                ]
            },
        )
        # The session says what is due now: another version may have come out meanwhile.
        person = person_of_token(visit.token, visit.services)
        if person.must_accept:
            again = replace(visit, person=person)
            errors = outcome.errors if isinstance(outcome, Refused) else None
            return acceptance_page(again, kept=kept, next_=next_, errors=errors)
        notice = "" if isinstance(outcome, Refused) else outcome["message"]
        return _onward(self, visit, person, kept, next_, notice)


def acceptance_page(
    visit: Visit, *, kept: str = "", next_: str | None = "", errors: FormErrors | None = None
) -> Response:
    """Return the page of all versions that the person has yet to accept."""
    due = {each["kind"]: each["accepted"] for each in _person(visit).must_accept}
    documents = read_to_accept(visit, list(due))
    if errors is not None:
        errors = replace(errors, fields={**errors.fields, **changed_since_shown(visit, documents)})
    return visit.render(
        "acceptance.html",
        documents=[
            {**each, "accepted": due[each["kind"]], "changes": changes(each["text"])}
            for each in documents
        ],
        kept=kept,
        next=_next(next_),
        errors=errors,
    )


def acceptance_path(next_: str) -> str:
    """Return the address of the page, with where to go afterwards."""
    return ACCEPTANCE + "?" + urlencode({"next": _next(next_)})


def _onward(
    service: Any, visit: Visit, person: Person, kept: str, next_: str | None, notice: str = ""
) -> Response:
    """Return the form that waited, filled in; without one, lead to where the person was going."""
    waiting = waiting_form(visit, kept, person.person_id)
    if waiting:
        return shown_again(service, visit, waiting, visit.token, visit.visitor)
    return visit.redirect(_next(next_), notice)


def _next(address: str | None) -> str:
    found = own_path(address or "")
    return HOME if found in ("", "/") or found.startswith(ACCEPTANCE) else found


def _person(visit: Visit) -> Person:
    if visit.person is None:
        raise AssertionError("a page with a session has a person")
    return visit.person


__all__ = ["AcceptancePages", "acceptance_page", "acceptance_path"]

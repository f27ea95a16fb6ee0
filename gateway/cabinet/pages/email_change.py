"""Changing the e-mail address: the request in the settings, and the links of the two letters."""

from __future__ import annotations

from functools import partial
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet import spellings
from gateway.cabinet.letter_notices import are_late, come_back_since
from gateway.cabinet.page import page
from gateway.cabinet.visit import Refused, Visit
from gateway.operations import Access
from gateway.routes.email_changes import EmailChangeRoutes
from gateway.routes.me import MeRoutes
from gateway.routes.second_factors import SecondFactorRoutes


class EmailChangePages:
    """Another address: by both mailboxes, or by a bill after three days."""

    @page("GET", "/settings/email")
    def email_change_form(self, visit: Visit) -> Response:
        """Show the address, a change under way, and the form for another one."""
        return _settings(visit)

    @page("POST", "/settings/email")
    def submit_email_change(self, visit: Visit) -> Response:
        """Have a link sent to both mailboxes."""
        outcome = _requested(visit, {})
        if isinstance(outcome, Refused):
            return _settings(visit, outcome.errors)
        return visit.redirect("/settings/email", outcome["message"])

    @page("GET", "/settings/email/without-old", reauthenticated=True)
    def email_change_without_old_form(self, visit: Visit) -> Response:
        """Ask for a bill, where the old mailbox is lost."""
        return visit.render("email_without_old.html")

    @page("POST", "/settings/email/without-old")
    def submit_email_change_without_old(self, visit: Visit) -> Response:
        """Have the change wait three days for a refusal."""
        bill = {
            "number": spellings.plain(visit.form.get("number", "")),
            "proof": spellings.plain(visit.form.get("proof", "")),
        }
        outcome = _requested(visit, bill)
        if isinstance(outcome, Refused):
            return visit.render("email_without_old.html", errors=outcome.errors)
        return visit.redirect("/settings/email", outcome["message"])

    @page("POST", "/settings/email/cancel", shown_by="/settings/email")
    def cancel_email_change_page(self, visit: Visit) -> Response:
        """Cancel the change under way."""
        outcome = visit.attempt(EmailChangeRoutes.cancel_email_change)
        if isinstance(outcome, Refused):
            return _settings(visit, outcome.errors)
        return visit.redirect("/settings/email", outcome["message"])

    @page("GET", "/email/<any(new,old):side>/<token:token>", access=Access.PUBLIC)
    def email_link(self, visit: Visit) -> Response:
        """Ask the mailbox of a link whether it confirms; a link alone does nothing."""
        return _link(visit)

    @page("POST", "/email/<any(new,old):side>/<token:token>", access=Access.PUBLIC)
    def follow_email_link(self, visit: Visit) -> Response:
        """Confirm or refuse."""
        refuses = visit.form.get("answer") == "refuse"
        outcome = visit.attempt(
            EmailChangeRoutes.refuse_email_change
            if refuses
            else EmailChangeRoutes.confirm_email_change,
            body={"token": visit.path["token"]},
        )
        if isinstance(outcome, Refused):
            return _link(visit, outcome.errors)
        return visit.redirect("/email/done", outcome["message"])

    @page("GET", "/email/done", access=Access.PUBLIC)
    def email_link_followed(self, visit: Visit) -> Response:
        """Show what the answer has led to, with the way on."""
        return visit.render("email_done.html")


def _requested(visit: Visit, bill: dict[str, str]) -> Any:
    return visit.attempt(
        EmailChangeRoutes.request_email_change,
        body={
            "email": visit.form.get("email", "").strip(),
            "current_password": visit.form.get("current_password", ""),
            **bill,
        },
        says={
            "email": visit.text("Введите адрес почты, например ivanov@example.org."),
            "current_password": visit.text("Введите пароль от кабинета."),
            "number": visit.text("Введите номер лицевого счёта из платёжного документа."),
            "proof": visit.text("Введите проверочный код или итог и месяц квитанции."),
        },
    )


def _settings(visit: Visit, errors: Any = None) -> Response:
    profile, change, step, since = visit.together(
        lambda: visit.api(MeRoutes.profile),
        lambda: visit.api(EmailChangeRoutes.pending_email_change),
        lambda: visit.api(SecondFactorRoutes.reauthentication),
        visit.aside(partial(come_back_since, visit)),
    )
    pending = change["pending"]
    return visit.render(
        "email.html",
        email=profile["email"],
        pending=pending,
        step_due=step["required"],
        # Only where a letter is awaited it matters.
        are_late=visit.aside(partial(are_late, visit))() if pending else None,
        come_back_since=since,
        errors=errors,
    )


def _link(visit: Visit, errors: Any = None) -> Response:
    side, token = visit.path["side"], visit.path["token"]
    return visit.render("email_link.html", side=side, token=token, errors=errors)

"""Registration (S1-S8): type and e-mail, the check code with both ticks, the second letter."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet import spellings
from gateway.cabinet.document_versions import BOXES, changed_since_shown, read_to_accept
from gateway.cabinet.forms import FormErrors
from gateway.cabinet.letter_notices import are_late
from gateway.cabinet.page import page
from gateway.cabinet.visit import Refused, Visit
from gateway.operations import Access
from gateway.routes.registrations import RegistrationRoutes


class RegistrationPages:
    """From the type of person to the letter with the temporary password."""

    @page("GET", "/register", access=Access.PUBLIC)
    def registration_form(self, visit: Visit) -> Response:
        """Show step 1: type and e-mail."""
        return visit.render("register.html")

    @page("POST", "/register", access=Access.PUBLIC)
    def submit_registration(self, visit: Visit) -> Response:
        """Have the check code sent; a known e-mail looks the same as an unknown one.

        An organisation is asked for its details on a page of its own, so no script is needed.
        """
        person_type = visit.form.get("person_type", "individual")
        template = "register.html"
        if person_type == "organisation":
            template = "register_organisation.html"
            if "organisation-name" not in visit.form:
                return visit.render(template)
        outcome = visit.attempt(
            RegistrationRoutes.start_registration,
            body={
                "person_type": person_type,
                "email": visit.form.get("email", "").strip(),
                "organisation": _organisation(visit) if person_type == "organisation" else None,
            },
            says={
                "email": visit.text("Введите адрес почты, например ivanov@example.org."),
                "person_type": visit.text("Выберите, кто Вы: физ. или юр. лицо."),
                "organisation-name": visit.text("Введите наименование организации."),
                "organisation-inn": visit.text("Введите ИНН: 10 цифр, у предпринимателя 12."),
                "organisation-kpp": visit.text("Введите КПП: 9 цифр."),
            },
        )
        if isinstance(outcome, Refused):
            return visit.render(template, errors=outcome.errors)
        return visit.redirect(f"/register/{outcome['registration_id']}", _sent_to(visit))

    @page("GET", "/register/<uuid:registration_id>", access=Access.PUBLIC)
    def code_form(self, visit: Visit) -> Response:
        """Show step 2, the check window."""
        return _code_form(visit)

    @page("POST", "/register/<uuid:registration_id>", access=Access.PUBLIC)
    def submit_code(self, visit: Visit) -> Response:
        """Confirm with the code and both ticks."""
        outcome = visit.attempt(
            RegistrationRoutes.confirm_registration,
            path=visit.path,
            body={
                "code": spellings.digits(visit.form.get("code", "")),
                "accept_rules": visit.form.get("accept_rules") == "yes",
                "consent_personal_data": visit.form.get("consent_personal_data") == "yes",
                "rules_version": visit.form.get("rules_version") or None,
                "consent_version": visit.form.get("consent_version") or None,
            },
            says={"code": visit.text("Введите код из письма: только цифры.")},
        )
        if isinstance(outcome, Refused):
            return _code_form(visit, outcome.errors)
        return visit.redirect(f"/register/{visit.path['registration_id']}/done")

    @page(
        "POST",
        "/register/<uuid:registration_id>/code",
        access=Access.PUBLIC,
        shown_by="/register/{registration_id}",
    )
    def send_code_again(self, visit: Visit) -> Response:
        """Have the code sent again («Выслать код заново»)."""
        outcome = visit.attempt(RegistrationRoutes.resend_code, path=visit.path)
        if isinstance(outcome, Refused):
            return _code_form(visit, outcome.errors)
        sent = visit.text("Код выслан заново. Подойдёт только код из последнего письма.")
        return visit.redirect(f"/register/{visit.path['registration_id']}", sent)

    @page("GET", "/register/<uuid:registration_id>/email", access=Access.PUBLIC)
    def email_form(self, visit: Visit) -> Response:
        """Ask for the right address of a registration."""
        return _email_form(visit)

    @page("POST", "/register/<uuid:registration_id>/email", access=Access.PUBLIC)
    def correct_email_address(self, visit: Visit) -> Response:
        """Have the code sent to the right address."""
        outcome = visit.attempt(
            RegistrationRoutes.correct_email,
            path=visit.path,
            body={"email": visit.form.get("email", "").strip()},
            says={"email": visit.text("Введите адрес почты, например ivanov@example.org.")},
        )
        if isinstance(outcome, Refused):
            return _email_form(visit, outcome.errors)
        return visit.redirect(f"/register/{visit.path['registration_id']}", _sent_to(visit))

    @page("GET", "/register/<uuid:registration_id>/done", access=Access.PUBLIC)
    def registered(self, visit: Visit) -> Response:
        """Say that the letter with the temporary password is on its way."""
        return visit.render("register_done.html", are_late=visit.aside(partial(are_late, visit))())


def _organisation(visit: Visit) -> dict[str, Any]:
    return {
        "name": visit.form.get("organisation-name", "").strip(),
        "inn": spellings.digits(visit.form.get("organisation-inn", "")),
        "kpp": spellings.digits(visit.form.get("organisation-kpp", "")) or None,
    }


def _sent_to(visit: Visit) -> str:
    """Return the notice that shows the address once, to whoever has just typed it."""
    sent = visit.text("Код отправлен на адрес {email}. Проверьте, нет ли в нём ошибки.")
    return sent.format(email=visit.form.get("email", "").strip())


def _email_form(visit: Visit, errors: FormErrors | None = None) -> Response:
    registration_id = visit.path["registration_id"]
    return visit.render("register_email.html", registration_id=registration_id, errors=errors)


def _code_form(visit: Visit, errors: FormErrors | None = None) -> Response:
    """Return the check window; a tick for a version that is no longer in force is taken back."""
    documents, late = visit.together(
        partial(read_to_accept, visit, list(BOXES)), visit.aside(partial(are_late, visit))
    )
    changed = changed_since_shown(visit, documents)
    if errors is not None:
        errors = replace(errors, fields={**errors.fields, **changed})
    wrong_code = errors is not None and bool(errors.of("code"))
    return visit.render(
        "register_code.html",
        registration_id=visit.path["registration_id"],
        documents=documents,
        are_late=late,
        ticked={
            kind
            for kind, box in BOXES.items()
            if visit.form.get(box) == "yes" and box not in changed
        },
        code="" if wrong_code else visit.form.get("code", ""),
        errors=errors,
    )

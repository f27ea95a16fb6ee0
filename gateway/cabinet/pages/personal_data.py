"""«Мои данные»: a copy of all that is held, and the withdrawal of the consent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet import cookies
from gateway.cabinet.held_words import titled
from gateway.cabinet.page import page
from gateway.cabinet.visit import Refused, Visit
from gateway.documents.files import file_response
from gateway.routes.personal_data import PersonalDataRoutes


class PersonalDataPages:
    """What a person may ask for by law: to know, and to be forgotten."""

    @page("GET", "/settings/data")
    def data_page(self, visit: Visit) -> Response:
        """Say what is held, offer a copy, and what withdrawing the consent means."""
        return visit.render("data.html")

    @page("GET", "/settings/data.json")
    def data_file(self, visit: Visit) -> Response:
        """Return all that is held as JSON, each part under a title that can be understood."""
        found = visit.api(PersonalDataRoutes.held_data)
        today = visit.clocks.of_gateways.today().isoformat()
        held = _with_addresses(visit, found["held"])
        whole = {visit.text("Составлено"): today, **titled(held, visit.text)}
        text = json.dumps(whole, ensure_ascii=False, indent=2)
        return file_response(text.encode(), f"my-data-{today}", "json")

    @page("POST", "/settings/data")
    def withdraw_consent(self, visit: Visit) -> Response:
        """Erase the cabinet; the browser forgets the session, too."""
        outcome: Any = visit.attempt(
            PersonalDataRoutes.erase_me,
            body={"current_password": visit.form.get("current_password", "")},
            says={"current_password": visit.text("Введите пароль от кабинета.")},
        )
        if isinstance(outcome, Refused):
            return visit.render("data.html", errors=outcome.errors)
        response = visit.redirect("/", outcome["message"])
        cookies.forget_person(response)
        return response


def _with_addresses(visit: Visit, held: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is held with the address of each file: it is no part of this one."""
    questions = (held.get("helpdesk") or {}).get("questions", ())
    for question in questions:
        for message in question["messages"]:
            for file in message["attachments"]:
                path = f"/questions/{question['question_id']}/attachments/{file['attachment_id']}"
                file["download"] = visit.public_url(path)
    return dict(held)

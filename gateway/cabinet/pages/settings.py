"""«Настройки» (S24): name and telephone, password, the devices that are signed in."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet import cookies, spellings
from gateway.cabinet.page import page
from gateway.cabinet.visit import Refused, Visit
from gateway.routes.me import MeRoutes
from gateway.routes.sessions import SessionRoutes


class SettingsPages:
    """What a person sets about himself."""

    @page("GET", "/settings")
    def settings_form(self, visit: Visit) -> Response:
        """Show the profile, and the ways to password, devices and look."""
        return _settings(visit)

    @page("POST", "/settings")
    def submit_settings(self, visit: Visit) -> Response:
        """Change name and telephone."""
        outcome = visit.attempt(
            MeRoutes.update_profile,
            body={
                "full_name": " ".join(visit.form.get("full_name", "").split()),
                "phone": spellings.telephone(visit.form.get("phone", "")),
            },
            says={
                "full_name": visit.text("Введите фамилию, имя и отчество, до 200 букв."),
                "phone": visit.text("Введите телефон, например +7 999 123-45-67."),
            },
        )
        if isinstance(outcome, Refused):
            return _settings(visit, outcome.errors)
        return visit.redirect("/settings", visit.text("Сохранено."))

    @page("GET", "/settings/sessions")
    def sessions(self, visit: Visit) -> Response:
        """Show the devices that are signed in, this one marked."""
        return visit.render(
            "sessions.html", sessions=visit.api(SessionRoutes.list_sessions)["sessions"]
        )

    @page("POST", "/settings/sessions/<uuid:session_id>", shown_by="/settings/sessions")
    def end_one_session(self, visit: Visit) -> Response:
        """Sign a device out; with this one, its browser forgets the session too."""
        visit.api(SessionRoutes.end_session, path=visit.path)
        own = visit.person is not None and str(visit.path["session_id"]) == visit.person.session_id
        if not own:
            return visit.redirect("/settings/sessions", visit.text("На том устройстве Вы вышли."))
        response = visit.redirect("/", visit.text("Вы вышли из кабинета."))
        cookies.forget_person(response)
        return response

    @page("POST", "/settings/sessions", shown_by="/settings/sessions")
    def end_sessions_elsewhere(self, visit: Visit) -> Response:
        """Sign all other devices out."""
        visit.api(SessionRoutes.end_other_sessions)
        return visit.redirect("/settings/sessions", visit.text("На других устройствах Вы вышли."))


def _settings(visit: Visit, errors: Any = None) -> Response:
    profile = visit.api(MeRoutes.profile)
    typed = visit.form if "full_name" in visit.form else None
    return visit.render(
        "settings.html",
        profile=profile,
        full_name=typed["full_name"] if typed else profile["full_name"] or "",
        phone=typed.get("phone", "") if typed else profile["phone"] or "",
        errors=errors,
    )

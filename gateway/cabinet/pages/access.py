"""«Кто видит этот счёт»: who has access to an account, invitations, and how they are accepted."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet import cookies
from gateway.cabinet.invitations import keep_invitation
from gateway.cabinet.page import page
from gateway.cabinet.visit import Refused, Visit
from gateway.operations import Access
from gateway.routes.access import AccessRoutes

GIVEN_ROLES = ("viewer", "payer")


class AccessPages:
    """Access to an account, as its owner gives it and as a guest gets it."""

    @page("GET", "/accounts/<number>/access")
    def access_page(self, visit: Visit) -> Response:
        """Show who sees the account; its owner invites here, and ends what he gave."""
        return _access(visit)

    @page("POST", "/accounts/<number>/access", shown_by="/accounts/{number}/access")
    def send_invitation(self, visit: Visit) -> Response:
        """Send an invitation."""
        outcome = visit.attempt(
            AccessRoutes.invite,
            path=visit.path,
            body={
                "email": visit.form.get("email", "").strip(),
                "role": visit.form.get("role", ""),
            },
            says={
                "email": visit.text("Введите адрес почты того, кого приглашаете."),
                "role": visit.text("Выберите, что разрешить."),
            },
        )
        if isinstance(outcome, Refused):
            return _access(visit, outcome.errors)
        return visit.redirect(f"/accounts/{outcome['number']}/access", outcome["message"])

    @page(
        "POST",
        "/accounts/<number>/access/<uuid:access_id>",
        shown_by="/accounts/{number}/access",
    )
    def end_access(self, visit: Visit) -> Response:
        """End an access or an open invitation."""
        outcome = visit.attempt(AccessRoutes.withdraw_access, path=visit.path)
        if isinstance(outcome, Refused):
            return _access(visit, outcome.errors)
        return visit.redirect(
            f"/accounts/{visit.path['number']}/access", visit.text("Доступ закрыт.")
        )

    @page("GET", "/invitations/<token:token>", access=Access.PUBLIC, greets=True)
    def invitation_page(self, visit: Visit) -> Response:
        """Show what an invitation gives; whoever has no cabinet yet can register first."""
        return _invitation(visit)

    @page("POST", "/invitations/<token:token>", shown_by="/invitations/{token}")
    def take_invitation(self, visit: Visit) -> Response:
        """Take the account of the invitation into the cabinet."""
        outcome = visit.attempt(AccessRoutes.accept_invitation, body={"token": visit.path["token"]})
        if isinstance(outcome, Refused):
            return _invitation(visit, outcome.errors)
        response = visit.redirect("/accounts", outcome["message"])
        cookies.drop(response, cookies.INVITATION)
        return response


def _access(visit: Visit, errors: Any = None) -> Response:
    found = visit.api(AccessRoutes.access_list, path={"number": visit.path["number"]})
    return visit.render("access.html", found=found, roles=GIVEN_ROLES, errors=errors)


def _invitation(visit: Visit, errors: Any = None) -> Response:
    token = visit.path["token"]
    found = visit.attempt(AccessRoutes.preview_invitation, body={"token": token})
    if isinstance(found, Refused):
        ended = found.errors
        status = ended.status if ended.status in (404, 409) else 404
        response = visit.render("invitation_ended.html", text=ended.text, status=status)
        cookies.drop(response, cookies.INVITATION)
        return response
    response = visit.render("invitation.html", found=found, token=token, errors=errors)
    keep_invitation(visit, response, token)
    return response

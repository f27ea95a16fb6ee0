"""Which parts of the cabinet respond («Как работает кабинет»), and how far the ledger is sealed."""

from __future__ import annotations

from functools import partial

from werkzeug.wrappers import Response

from gateway.cabinet.page import page
from gateway.cabinet.visit import Visit
from gateway.operations import Access
from gateway.routes.proofs import ProofRoutes
from shared.config import SERVICES

HEALTH_SECONDS = 2.0
"""How long a part may take to respond before the page calls it silent."""


class StatusPages:
    """For whoever wonders whether it is only them."""

    @page("GET", "/status", access=Access.PUBLIC, greets=True)
    def status_page(self, visit: Visit) -> Response:
        """Show which parts of the cabinet respond now, and the last sealed checkpoint."""
        health = [
            visit.aside(partial(visit.services.call, name, "health", deadline=HEALTH_SECONDS))
            for name in SERVICES
        ]
        *states, sealed = visit.together(
            *health, visit.aside(lambda: visit.api(ProofRoutes.last_checkpoint)["checkpoint"])
        )
        names = _names(visit)
        parts = [
            (names[service], state is not None)
            for service, state in zip(SERVICES, states, strict=True)
        ]
        return visit.render(
            "status.html",
            parts=parts,
            all_work=all(works for _, works in parts),
            sealed=sealed,
        )

    @page("GET", "/trust", access=Access.PUBLIC, greets=True)
    def trust_page(self, visit: Visit) -> Response:
        """Show the last sealed checkpoint in numbers, and how it is checked without us."""
        sealed, keys = visit.together(
            visit.aside(lambda: visit.api(ProofRoutes.last_checkpoint)["checkpoint"]),
            visit.aside(lambda: visit.api(ProofRoutes.verifier_keys)["keys"]),
        )
        return visit.render("trust.html", sealed=sealed, keys=keys or [])


def _names(visit: Visit) -> dict[str, str]:
    """Return the parts as a person knows them, by service."""
    return {
        "identity": visit.text("Вход, пароль и настройки"),
        "accounts": visit.text("Лицевые счета"),
        "ledger": visit.text("Начисления, долг и пени"),
        "payments": visit.text("Оплата картой"),
        "notifications": visit.text("Письма"),
        "helpdesk": visit.text("Вопросы и ответы"),
    }

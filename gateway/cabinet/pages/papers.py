"""Papers of an account: the act of reconciliation, and certificates of its debt or of none."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet import spellings
from gateway.cabinet.forms import FormErrors
from gateway.cabinet.page import page
from gateway.cabinet.visit import Refused, Visit
from gateway.ownership import may_pay
from gateway.routes.accounts import AccountRoutes
from gateway.routes.papers import PaperRoutes


class PaperPages:
    """Papers that a person shows to others."""

    @page("GET", "/accounts/<number>/reconciliation.pdf")
    def reconciliation_page_file(self, visit: Visit) -> Response:
        """Return the act of reconciliation of given days as PDF."""
        return _file(visit, PaperRoutes.reconciliation_file, ("from", "to"))

    @page("GET", "/accounts/<number>/certificate")
    def certificate_page(self, visit: Visit) -> Response:
        """Say whether anything is owed on a day, and offer the certificate of it."""
        typed = visit.query.get("on", "").strip()
        query = {"on": spellings.day(typed)} if typed else {}
        errors = None
        account, debt = visit.together(
            visit.aside(lambda: visit.api(AccountRoutes.account, path=visit.path)),
            lambda: visit.attempt(PaperRoutes.debt, path=visit.path, query=query),
        )
        if isinstance(debt, Refused):
            text = visit.text("Введите сегодняшний день или прошедший, например 15.04.2026.")
            errors = FormErrors(code=debt.errors.code, text=text, fields={"on": text})
            # What was refused for its number, not for its day, is refused here again: a 404.
            debt = visit.api(PaperRoutes.debt, path=visit.path)
        return visit.render(
            "certificate.html",
            debt=debt,
            payable=may_pay(account),
            typed=typed,
            errors=errors,
            is_today=debt["on"] == visit.clocks.of("ledger").today().isoformat(),
        )

    @page("GET", "/accounts/<number>/certificate.pdf")
    def certificate_page_file(self, visit: Visit) -> Response:
        """Return a certificate as PDF."""
        return _file(visit, PaperRoutes.certificate_file, ("on", "kind"))


def _file(visit: Visit, endpoint: Any, names: tuple[str, ...]) -> Response:
    typed = {name: visit.query.get(name, "").strip() for name in names}
    query = {
        name: text if name == "kind" else spellings.day(text)
        for name, text in typed.items()
        if text
    }
    made: Response = visit.api(endpoint, path=visit.path, query=query)
    return made

"""«Лицевые» (S11-S18): the linked accounts, look-up and proof, unlinking."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet import spellings
from gateway.cabinet.page import page
from gateway.cabinet.visit import Refused, Visit
from gateway.problems import Refusal
from gateway.routes.accounts import AccountRoutes
from gateway.routes.payments import PaymentRoutes

MOST_ACCOUNTS = 10
"""How many accounts one cabinet holds (S15); the service decides, the page only says it ahead."""


class AccountPages:
    """The accounts of the cabinet."""

    @page("GET", "/accounts")
    def accounts(self, visit: Visit) -> Response:
        """Show each linked account with what is due on it; without one, the form that links."""
        linked, due = visit.together(
            lambda: visit.api(AccountRoutes.list_accounts)["accounts"],
            visit.aside(lambda: visit.api(PaymentRoutes.due)),
        )
        if not linked:
            return _link_form(visit)
        owed = {line["account"]: line for line in due["accounts"]} if due else {}
        return visit.render(
            "accounts.html",
            accounts=[{**account, "due": owed.get(account["number"])} for account in linked],
            total=due["total"] if due else None,
            most=MOST_ACCOUNTS,
        )

    @page("GET", "/accounts/link")
    def link_form(self, visit: Visit) -> Response:
        """Ask for the number of an account."""
        linked = visit.api(AccountRoutes.list_accounts)["accounts"]
        return _link_form(visit, full=len(linked) >= MOST_ACCOUNTS)

    @page("POST", "/accounts/lookup", shown_by="/accounts/link")
    def look_up(self, visit: Visit) -> Response:
        """Show the masked contract («Проверить») and ask for the proof of ownership."""
        number = spellings.digits(visit.form.get("number", ""))
        preview = visit.attempt(
            AccountRoutes.look_up_account,
            body={"number": number},
            says={"number": visit.text("Введите номер лицевого счёта: до 20 цифр.")},
        )
        if isinstance(preview, Refused):
            return _link_form(visit, errors=preview.errors)
        return _proof_form(visit, preview)

    @page("POST", "/accounts/link", shown_by="/accounts/link")
    def link(self, visit: Visit) -> Response:
        """Link the account with a fact of its last bill («Добавить лицевой»)."""
        number = spellings.digits(visit.form.get("number", ""))
        outcome = visit.attempt(
            AccountRoutes.link_account,
            body={"number": number, "proof": visit.form.get("proof", "").strip()},
            says={"proof": visit.text("Введите итог или номер последней квитанции.")},
        )
        if not isinstance(outcome, Refused):
            return visit.redirect("/accounts", outcome["message"])
        preview = visit.attempt(AccountRoutes.look_up_account, body={"number": number})
        if isinstance(preview, Refused):
            return _link_form(visit, errors=outcome.errors)
        return _proof_form(visit, preview, outcome.errors)

    @page("GET", "/accounts/<number>/unlink")
    def unlink_form(self, visit: Visit) -> Response:
        """Say what unlinking takes away and what stays."""
        return _unlink_form(visit)

    @page("POST", "/accounts/<number>/unlink", shown_by="/accounts/{number}/unlink")
    def unlink(self, visit: Visit) -> Response:
        """Take the account out of the cabinet («Отвязать»); the last one stays (S18)."""
        outcome = visit.attempt(AccountRoutes.unlink_account, path=visit.path)
        if isinstance(outcome, Refused):
            return _unlink_form(visit, outcome.errors)
        return visit.redirect("/accounts", visit.text("Лицевой счёт отвязан."))


def _link_form(visit: Visit, *, full: bool = False, errors: Any = None) -> Response:
    return visit.render("link.html", full=full, most=MOST_ACCOUNTS, errors=errors)


def _proof_form(visit: Visit, preview: dict[str, Any], errors: Any = None) -> Response:
    return visit.render("link_proof.html", preview=preview, errors=errors)


def _unlink_form(visit: Visit, errors: Any = None) -> Response:
    linked = visit.api(AccountRoutes.list_accounts)["accounts"]
    number = visit.path["number"]
    account = next((one for one in linked if one["number"] == number), None)
    if account is None:
        raise Refusal(404, "account_not_linked")
    return visit.render("unlink.html", account=account, last=len(linked) == 1, errors=errors)

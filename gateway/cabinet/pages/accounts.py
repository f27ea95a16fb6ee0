"""«Лицевые» (S11-S18): the linked accounts, one of them whole, look-up and proof, unlinking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet import spellings
from gateway.cabinet.forms import FormErrors
from gateway.cabinet.invitations import waiting_invitation
from gateway.cabinet.letter_notices import come_back_since
from gateway.cabinet.page import page
from gateway.cabinet.visit import Refused, Visit
from gateway.documents.statement import operation
from gateway.ownership import may_pay, newest_of
from gateway.routes.accounts import AccountRoutes
from gateway.routes.charges import ChargeRoutes
from gateway.routes.payments import PaymentRoutes
from shared.errors import Unavailable

MOST_ACCOUNTS = 10
"""How many accounts one cabinet holds (S15); the service decides, the page only says it ahead."""
LAST_MOVEMENTS = 5


class AccountPages:
    """The accounts of the cabinet."""

    @page("GET", "/accounts")
    def accounts(self, visit: Visit) -> Response:
        """Show each linked account with what is due on it; without one, the form that links."""
        linked, due, charges, since = visit.together(
            lambda: visit.api(AccountRoutes.list_accounts)["accounts"],
            visit.aside(lambda: visit.api(PaymentRoutes.due)),
            visit.aside(lambda: visit.api(ChargeRoutes.all_charges, query={"limit": "1"})),
            visit.aside(lambda: come_back_since(visit)),
        )
        if not linked:
            return _link_form(visit)
        # One line for each account, in their order.
        owed: list[Any] = due["accounts"] if due else [None] * len(linked)
        due_days = _due_days(charges)
        unpaid = [line["account"] for line in owed if line and line["total"] and line["payable"]]
        return visit.render(
            "accounts.html",
            accounts=[
                {
                    **account,
                    "due": line,
                    "due_on": due_days.get(account["number"]),
                }
                for account, line in zip(linked, owed, strict=True)
            ],
            total=due["total"] if due else None,
            owing=any(line["total"] for line in owed if line),
            ahead=sum(line["advance"] for line in owed if line),
            due_on=min((due_days[one] for one in unpaid if one in due_days), default=None),
            today=_today(visit),
            most=MOST_ACCOUNTS,
            invitation=waiting_invitation(visit),
            come_back_since=since,
        )

    @page("GET", "/accounts/<number>")
    def account_page(self, visit: Visit) -> Response:
        """Show one account: what is due by service, its last movements, its contract.

        ``?on=`` shows the balance at the end of a past day.
        """
        number, typed = visit.path["number"], visit.query.get("on", "").strip()
        as_of = spellings.day(typed)
        account, balance, statement, charges = visit.together(
            lambda: _linked_account(visit, number),
            lambda: _balance(visit, number, as_of),
            visit.aside(lambda: visit.api(ChargeRoutes.statements, query={"account": number})),
            visit.aside(lambda: _newest_month(visit, number)),
        )
        errors = None
        if isinstance(balance, Refused) or as_of > _today(visit):
            text = visit.text("Введите прошедший день, например 15.04.2026.")
            errors = FormErrors(code="invalid_day", text=text, fields={"on": text})
            balance = _balance(visit, number, "")
        return visit.render(
            "account.html",
            account=account,
            balance=balance,
            owed=_owed(balance),
            payable=may_pay(account),
            last_bill=charges["period"] if charges else None,
            movements=_last(visit, statement),
            due_on=charges["due_on"] if charges else None,
            today=_today(visit),
            typed=typed,
            errors=errors,
        )

    @page("GET", "/accounts/link")
    def link_form(self, visit: Visit) -> Response:
        """Ask for the number of an account."""
        linked = visit.api(AccountRoutes.list_accounts)["accounts"]
        return _link_form(visit, full=len(linked) >= MOST_ACCOUNTS)

    @page("POST", "/accounts/lookup", shown_by="/accounts/link")
    def look_up(self, visit: Visit) -> Response:
        """Show the masked contract («Проверить») and ask for the proof of ownership."""
        number = visit.form.get("number", "").strip()
        preview = visit.attempt(
            AccountRoutes.look_up_account,
            body={"number": number},
            says={"number": visit.text("Введите номер лицевого счёта (до 20 цифр) или ЕЛС.")},
        )
        if isinstance(preview, Refused):
            return _link_form(visit, errors=preview.errors)
        return _proof_form(visit, preview)

    @page("POST", "/accounts/link", shown_by="/accounts/link")
    def link(self, visit: Visit) -> Response:
        """Link the account with a fact of its last bill («Добавить лицевой»)."""
        number = visit.form.get("number", "").strip()
        outcome = visit.attempt(
            AccountRoutes.link_account,
            body={"number": number, "proof": visit.form.get("proof", "").strip()},
            says={"proof": visit.text("Введите проверочный код из последней квитанции.")},
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
    return visit.render(
        "link.html",
        full=full,
        most=MOST_ACCOUNTS,
        invitation=waiting_invitation(visit),
        errors=errors,
    )


def _proof_form(visit: Visit, preview: dict[str, Any], errors: Any = None) -> Response:
    return visit.render("link_proof.html", preview=preview, errors=errors)


def _unlink_form(visit: Visit, errors: Any = None) -> Response:
    linked = visit.api(AccountRoutes.list_accounts)["accounts"]
    account = _of_number(linked, visit.path["number"])
    return visit.render("unlink.html", account=account, last=len(linked) == 1, errors=errors)


def _linked_account(visit: Visit, number: str) -> dict[str, Any]:
    return _of_number(visit.api(AccountRoutes.list_accounts)["accounts"], number)


def _of_number(linked: Sequence[dict[str, Any]], number: str) -> dict[str, Any]:
    return newest_of(linked, number)


def _balance(visit: Visit, number: str, as_of: str) -> Any:
    """Return the balance, Refused for a wrong day, None where it cannot be had."""
    try:
        balance = visit.attempt(
            ChargeRoutes.balance, path={"number": number}, query={"as_of": as_of} if as_of else {}
        )
    except Unavailable:
        return None
    if isinstance(balance, Refused) and balance.errors.code == "account_not_found":
        # Linked, and nothing is booked on it yet.
        sums = dict.fromkeys(("principal", "penalty", "penalty_accrued", "advance"), 0)
        return {"as_of": as_of or None, **sums, "services": []}
    return balance


def _newest_month(visit: Visit, number: str) -> dict[str, Any] | None:
    found = visit.api(ChargeRoutes.months, path={"number": number}, query={"limit": "1"})
    months: list[dict[str, Any]] = found["months"]
    return months[0] if months else None


def _last(visit: Visit, statement: dict[str, Any] | None) -> list[dict[str, Any]] | None:
    """Return the last movements of the only account of a statement, the newest first."""
    if statement is None:
        return None
    movements = statement["accounts"][0]["movements"][-LAST_MOVEMENTS:]
    return [
        {**movement, "operation": operation(movement, visit.language)}
        for movement in reversed(movements)
    ]


def _owed(balance: dict[str, Any] | None) -> int:
    """Return what is owed, below zero what is paid ahead."""
    if balance is None:
        return 0
    owed: int = balance["principal"] + balance["penalty"] - balance["advance"]
    return owed


def _due_days(charges: dict[str, Any] | None) -> dict[str, str]:
    """Return the due day of the newest bill by account."""
    return {
        account["number"]: account["months"][0]["due_on"]
        for account in (charges["accounts"] if charges else ())
        if account["months"]
    }


def _today(visit: Visit) -> str:
    return visit.clocks.of("ledger").today().isoformat()

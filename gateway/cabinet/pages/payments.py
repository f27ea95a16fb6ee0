"""«Платежи-История платежей» (S23): payments by month, one payment, its receipt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from werkzeug.wrappers import Response

from gateway.cabinet.page import page
from gateway.cabinet.payment_states import Outlook, outlook_of, state_mark
from gateway.cabinet.visit import Visit
from gateway.cabinet.words import sum_in_words
from gateway.routes.accounts import AccountRoutes
from gateway.routes.payments import PaymentRoutes
from shared.errors import InternalError, ServiceError, Unavailable

FILTERS = ("account", "year", "state")
YEARS = 5
"""Years to choose from in the history."""


class PaymentPages:
    """What was paid, and how far each payment is."""

    @page("GET", "/payments")
    def payment_history(self, visit: Visit) -> Response:
        """List the payments by month, the newest first; a row opens into its accounts.

        ``?account=``, ``?year=`` and ``?state=`` choose some of them.
        """
        names = (*FILTERS, "before")
        query = {name: visit.query[name] for name in names if visit.query.get(name)}
        (found, complete), linked = visit.together(
            lambda: _history(visit, query),
            visit.aside(lambda: visit.api(AccountRoutes.list_accounts)["accounts"]),
        )
        payments = found["payments"]
        chosen = {name: value for name, value in query.items() if name != "before"}
        this_year = visit.clocks.of("payments").today().year
        return visit.render(
            "payments.html",
            months=_by_month(visit, payments),
            names=_service_names(payments),
            linked=[(one["number"], one["number"]) for one in linked or ()],
            years=[(str(year), year) for year in range(this_year, this_year - YEARS, -1)],
            account=query.get("account", ""),
            year=query.get("year", ""),
            state=query.get("state", ""),
            totals=found["totals"],
            asked=urlencode(chosen) + "&" if chosen else "",
            next=found["next"],
            later="before" in query,
            complete=complete,
            recovering=found.get("recovering", False),
            open=visit.query.get("open") == "all",
        )

    @page("GET", "/payments.csv")
    def payments_file(self, visit: Visit) -> Response:
        """Return the same payments, all of them, as CSV."""
        query = {name: visit.query[name] for name in FILTERS if visit.query.get(name)}
        made: Response = visit.api(PaymentRoutes.history_file, query=query)
        return made

    @page("GET", "/payments/<uuid:payment_id>")
    def payment_page(self, visit: Visit) -> Response:
        """Show one payment; the bank's way back leads to a poll of the acquirer first.

        A bank adds parameters of its own to our address. They are a reason to ask, never a proof.
        """
        address = f"/payments/{visit.path['payment_id']}"
        if visit.query and visit.query.keys() != {"open"}:
            _refreshed(visit)
            return visit.redirect(address)
        payment, due = visit.together(
            lambda: _allocated(visit), visit.aside(lambda: visit.api(PaymentRoutes.due))
        )
        outlook = outlook_of(visit, payment)
        accounts = [line["account"] for line in payment["lines"]]
        return visit.render(
            "payment.html",
            payment=payment,
            outlook=outlook,
            faster_payment=_faster_payment(visit) if payment["redirect_url"] else None,
            names=_service_names([payment]),
            question=urlencode({"topic": "payment", "text": outlook.question}),
            open=visit.query.get("open") == "all",
            mark=state_mark(payment),
            address=address,
            left=_left(due, payment) if payment["state"] == "completed" else None,
            pay_address="/pay" + (f"?account={accounts[0]}" if len(accounts) == 1 else ""),
        )

    @page("POST", "/payments/<uuid:payment_id>/check", shown_by="/payments/{payment_id}")
    def check_payment(self, visit: Visit) -> Response:
        """Ask the bank now («Проверить сейчас»)."""
        payment = _refreshed(visit)
        address = f"/payments/{visit.path['payment_id']}"
        if payment is None:
            notice = visit.text("Проверить сейчас не удалось: ответа нет. Проверим сами.")
        elif outlook_of(visit, payment).undecided:
            notice = visit.text("Проверили только что: нового пока нет.")
        else:
            notice = ""
        return visit.redirect(address, notice)

    @page("GET", "/payments/<uuid:payment_id>/state", bare=True)
    def payment_state(self, visit: Visit) -> Response:
        """Return in a line how far a payment is, for the script of its page."""
        payment = _payment(visit)
        outlook = outlook_of(visit, payment)
        body = {"state": state_mark(payment), "text": f"{outlook.title}. {outlook.text}"}
        response = Response(json.dumps(body), content_type="application/json")
        response.headers["Cache-Control"] = "no-store"
        return response

    @page("GET", "/payments/<uuid:payment_id>/receipt")
    def receipt_page(self, visit: Visit) -> Response:
        """Show the receipt with its proof; before the posting, when it will be there."""
        payment = _payment(visit)
        outlook = outlook_of(visit, payment)
        if not outlook.has_receipt:
            return visit.render("receipt_waits.html", status=409, payment=payment, outlook=outlook)
        receipt = visit.api(PaymentRoutes.receipt, path=visit.path)
        lines = _with_parts(payment["lines"], receipt["postings"])
        return visit.render(
            "receipt.html",
            payment=payment,
            verify_url=visit.public_url("/verify"),
            lines=lines,
            names=_service_names([{"lines": lines}]),
            open=visit.query.get("open") == "all",
            words=sum_in_words(payment["total"], visit.language),
            positions={one["account"]: one["position"] for one in receipt["postings"]},
            proofs=[
                {**one, "text": json.dumps(one["proof"], ensure_ascii=False, indent=1)}
                for one in receipt["proofs"]
                if one["proof"]
            ],
        )


def _payment(visit: Visit, refresh: str = "false") -> dict[str, Any]:
    found: dict[str, Any] = visit.api(
        PaymentRoutes.payment, path=visit.path, query={"refresh": refresh}
    )
    return found


def _allocated(visit: Visit) -> dict[str, Any]:
    """Return the payment with its allocation; without it where the ledger does not respond."""
    try:
        found: dict[str, Any] = visit.api(
            PaymentRoutes.payment, path=visit.path, query={"allocation": "true"}
        )
    except (Unavailable, InternalError):
        return _payment(visit)
    return found


def _faster_payment(visit: Visit) -> str | None:
    """Return what the QR code of «СБП» says; None where there is none, or none in time."""
    found = visit.aside(lambda: visit.api(PaymentRoutes.faster_payment, path=visit.path))()
    return found["payload"] if found else None


def _refreshed(visit: Visit) -> dict[str, Any] | None:
    """Have the bank asked; None where it does not respond. Another person's payment is a 404."""
    try:
        return _payment(visit, refresh="true")
    except (Unavailable, InternalError):
        return None


def _history(visit: Visit, query: Mapping[str, str]) -> tuple[dict[str, Any], bool]:
    """Return a page of payments, and whether it has their allocation."""
    try:
        return visit.api(PaymentRoutes.history, query={**query, "allocation": "true"}), True
    except ServiceError:
        # The payments are the page; their allocation is a part of it that may be missing.
        return visit.api(PaymentRoutes.history, query=query), False


def _by_month(
    visit: Visit, payments: Sequence[dict[str, Any]]
) -> list[tuple[str, list[tuple[dict[str, Any], Outlook]]]]:
    zone = ZoneInfo(visit.settings.timezone)

    def month_of(payment: Mapping[str, Any]) -> str:
        return f"{datetime.fromisoformat(payment['created_at']).astimezone(zone):%Y-%m}"

    return [
        (month, [(payment, outlook_of(visit, payment)) for payment in group])
        for month, group in groupby(payments, key=month_of)
    ]


def _service_names(payments: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the names of the services that were paid, by their codes."""
    return {
        part["service"]: part["name"]
        for payment in payments
        for line in payment["lines"]
        for part in line.get("allocation") or ()
    }


def _with_parts(
    lines: Sequence[Mapping[str, Any]], postings: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    parts = {posting["account"]: posting["allocation"] for posting in postings}
    return [{**line, "allocation": parts.get(line["account"])} for line in lines]


def _left(due: dict[str, Any] | None, payment: Mapping[str, Any]) -> int | None:
    """Return what is still due on the accounts of a payment; None where it cannot be had."""
    if due is None:
        return None
    accounts = {line["moved_to"] or line["account"] for line in payment["lines"]}
    totals: list[int] = [one["total"] for one in due["accounts"] if one["account"] in accounts]
    return sum(totals)

"""«Платежи» (S20-S23): what is due, starting a payment, the history, a receipt."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from werkzeug.wrappers import Response

from gateway.concurrently import all_of
from gateway.cursors import decode_cursor, encode_cursor
from gateway.documents.files import file_response
from gateway.documents.payment_table import payments_csv
from gateway.messages import language_of
from gateway.operations import (
    ACQUIRER_TIMEOUT,
    API,
    SERVICE_TIMEOUT,
    Call,
    Idempotency,
    Link,
    Operation,
)
from gateway.ownership import linked_accounts, may_pay
from gateway.problems import Refusal
from gateway.schemas import payments as shapes
from gateway.web import route
from shared.config import Settings

TAG = "Payments"
_HISTORY = "payments"
_PIECE = 100
"""Payments of a file that are asked for at a time."""
TAKEN = frozenset({"captured", "completed", "partly_refunded", "refunded"})
"""States of a payment whose card was charged as ordered."""


class PaymentRoutes:
    """Routes of the person's payments."""

    settings: Any

    @route(
        Operation(
            method="GET",
            path=f"{API}/payments/due",
            tag=TAG,
            summary="The amounts due, for the page «Платежи-Оплатить».",
            description="Debt and penalty of each account apart, less what is paid in advance; the "
            "person may change both before paying those that are `payable`, which `total` counts. "
            "The penalty is that of today: when it is paid today, nothing is left of it.",
            result=shapes.Due,
        )
    )
    def due(self, call: Call) -> Any:
        linked = linked_accounts(call)
        if not linked:
            return {"accounts": [], "total": 0}
        keys = [account["account"] for account in linked]
        balances = call.ask("ledger", "balances", numbers=keys)["balances"]
        owed = {balance["number"]: balance for balance in balances}
        lines = [_due_line(account, owed.get(account["account"])) for account in linked]
        total = sum(line["total"] for line in lines if line["payable"])
        return {"accounts": lines, "total": total}

    @route(
        Operation(
            method="POST",
            path=f"{API}/payments",
            tag=TAG,
            summary="«Заплатить»: one order; the card is entered at redirect_url.",
            description="Nothing is charged yet: open `redirect_url` in the browser. Repeating the "
            "request with the same key returns the same payment and never makes a second order; "
            "so does another request for the same sums while the first is open. Other sums for an "
            "account of an open payment close that one at the acquirer first.",
            idempotency=Idempotency.REQUIRED,
            body=shapes.StartPayment,
            status=201,
            result=shapes.PaymentStarted,
            refusals={
                403: ("may_not_pay",),
                404: ("account_not_linked",),
                409: (
                    "account_closed",
                    "payment_must_be_restarted",
                    "payment_open",
                    "too_many_open_payments",
                ),
                422: (
                    "acquirer_unknown",
                    "amount_too_large",
                    "duplicate_account",
                    "nothing_to_pay",
                ),
            },
            location=f"{API}/payments/{{payment_id}}",
            links=(
                Link(to="payment", parameters={"payment_id": "payment_id"}),
                Link(to="receipt", parameters={"payment_id": "payment_id"}),
            ),
        )
    )
    def start_payment(self, call: Call) -> Any:
        acquirer = call.body["acquirer"]
        if acquirer not in {None, *(one.name for one in self.settings.acquirers)}:
            wrong = {"pointer": "#/acquirer", "message": "field_choice"}
            raise Refusal(422, "acquirer_unknown", errors=[wrong])
        return call.command(
            "payments",
            "start",
            deadline=ACQUIRER_TIMEOUT,
            person_id=call.person_id,
            lines=call.body["lines"],
            acquirer=acquirer,
        )

    @route(
        Operation(
            method="GET",
            path=f"{API}/payments",
            tag=TAG,
            summary="«Платежи-История платежей», newest first.",
            description="`allocation=true` adds what each line has paid, by month and service.",
            query=shapes.HistoryQuery,
            result=shapes.History,
            refusals={400: ("invalid_cursor",), 422: ("invalid_cursor",)},
        )
    )
    def history(self, call: Call) -> Any:
        before = decode_cursor(_HISTORY, "before", call.query["before"])
        page = _history(call, self.settings, before, call.query["limit"])
        payments = page["payments"]
        if call.query["allocation"]:
            payments = _with_allocation(call, payments)
        return {
            "payments": [_with_message(call, payment) for payment in payments],
            "next": encode_cursor(_HISTORY, page["next"]),
            "totals": page["totals"],
        }

    @route(
        Operation(
            method="GET",
            path=f"{API}/payments.csv",
            tag=TAG,
            summary="«Платежи-История платежей» as CSV for accountants, all pages of it.",
            description="A row for each account of each payment, then the totals: UTF-8 with its "
            "mark, `;`, decimal comma. The language follows `Accept-Language`.",
            query=shapes.HistoryFilter,
            media_type="text/csv",
        )
    )
    def history_file(self, call: Call) -> Response:
        page = _history(call, self.settings, None, _PIECE)
        payments = page["payments"]
        while page["next"] is not None:
            page = _history(call, self.settings, page["next"], _PIECE)
            payments += page["payments"]
        found = {"payments": payments, "totals": page["totals"]}
        language = language_of(call.request.accept_languages)
        names = ("payments", call.query["account"], call.query["year"], call.query["state"])
        name = "-".join(str(part) for part in names if part is not None)
        return file_response(payments_csv(found, self.settings.timezone, language), name, "csv")

    @route(
        Operation(
            method="GET",
            path=f"{API}/payments/<uuid:payment_id>",
            tag=TAG,
            summary="A payment and its state.",
            description="Poll it after the return from the acquirer: `outcome` and `next_check_at` "
            "say what is known and when that changes. `refresh=true` asks the acquirer first, and "
            "waits up to a second for what is charged to be posted.",
            query=shapes.PaymentQuery,
            result=shapes.Payment,
            refusals={404: ("payment_not_found",)},
            links=(Link(to="receipt", parameters={"payment_id": "payment_id"}),),
        )
    )
    def payment(self, call: Call) -> Any:
        payment = _payment(call, refresh=call.query["refresh"])
        return _with_allocation(call, [payment])[0] if call.query["allocation"] else payment

    @route(
        Operation(
            method="GET",
            path=f"{API}/payments/<uuid:payment_id>/faster-payment",
            tag=TAG,
            summary="What a QR code for the system of faster payments («СБП») says.",
            description="It pays the same order as the card: only one of the two is taken.",
            result=shapes.FasterPayment,
            refusals={404: ("payment_not_found",)},
        )
    )
    def faster_payment(self, call: Call) -> Any:
        return call.ask(
            "payments",
            "faster_payment",
            person_id=call.person_id,
            payment_id=str(call.path["payment_id"]),
        )

    @route(
        Operation(
            method="GET",
            path=f"{API}/payments/<uuid:payment_id>/receipt",
            tag=TAG,
            summary="The payment, the ledger's entries for it, and their inclusion proofs.",
            description="Available once the card has been charged. A proof is null until the log "
            "is sealed up to its posting, about a minute; whoever holds the receipt can check it "
            "by `POST /proofs/verify` or offline.",
            result=shapes.Receipt,
            refusals={404: ("payment_not_found",), 409: ("receipt_not_ready",)},
        )
    )
    def receipt(self, call: Call) -> Any:
        payment = _payment(call, refresh=False)
        if payment["state"] not in TAKEN:
            raise Refusal(409, "receipt_not_ready", state=payment["state"])
        payment_id = payment["payment_id"]
        postings, proofs = all_of(
            [
                lambda: call.ask("ledger", "payment_postings", payment_id=payment_id),
                lambda: call.ask("ledger", "payment_proofs", payment_id=payment_id),
            ]
        )
        # One that was made to a wrong account is posted to another one since, perhaps not his own.
        paid = {line["key"]: line["account"] for line in payment["lines"]}

        def own(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [
                {**one, "account": paid[key]} for one in found if (key := one["account"]) in paid
            ]

        return {
            "payment": payment,
            "postings": own(postings["postings"]),
            "proofs": own(proofs["proofs"]),
        }


def _history(call: Call, settings: Settings, before: str | None, limit: int) -> Any:
    return call.ask(
        "payments",
        "history",
        person_id=call.person_id,
        before=before,
        limit=limit,
        **_chosen(call, settings),
    )


def _chosen(call: Call, settings: Settings) -> dict[str, Any]:
    """Return the filters of the history; a year is one of the billing office."""
    chosen: dict[str, Any] = {}
    if call.query["account"] is not None:
        chosen["account"] = call.query["account"]
    if call.query["state"] is not None:
        chosen["states"] = list(shapes.STATES_OF[call.query["state"]])
    year = call.query["year"]
    if year is not None:
        zone = ZoneInfo(settings.timezone)
        chosen["since"] = datetime(year, 1, 1, tzinfo=zone).isoformat()
        chosen["until"] = datetime(year + 1, 1, 1, tzinfo=zone).isoformat()
    return chosen


def _payment(call: Call, *, refresh: bool) -> dict[str, Any]:
    payment: dict[str, Any] = call.ask(
        "payments",
        "payment",
        deadline=ACQUIRER_TIMEOUT if refresh else SERVICE_TIMEOUT,
        person_id=call.person_id,
        payment_id=str(call.path["payment_id"]),
        refresh=refresh,
    )
    return _with_message(call, payment)


def _with_allocation(call: Call, payments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return payments with the allocation of each line that the ledger has posted."""
    paid = [payment["payment_id"] for payment in payments if payment["state"] in TAKEN]
    if not paid:
        return payments
    found = call.ask("ledger", "postings_of_payments", payment_ids=paid)["postings"]
    posted = {(one["payment_id"], one["account"]): one["allocation"] for one in found}

    def with_parts(payment_id: str, line: dict[str, Any]) -> dict[str, Any]:
        parts = posted.get((payment_id, line["key"]))
        return line if parts is None else {**line, "allocation": parts}

    return [
        {**one, "lines": [with_parts(one["payment_id"], line) for line in one["lines"]]}
        for one in payments
    ]


def _with_message(call: Call, payment: dict[str, Any]) -> dict[str, Any]:
    return {**payment, "message": call.notice(f"payment_{payment['state']}")}


def _due_line(account: dict[str, Any], balance: dict[str, Any] | None) -> dict[str, Any]:
    """Return the line of an account; one without entries in the ledger owes nothing."""
    if balance is None:
        amount, penalty, accrued, advance = 0, 0, 0, 0
    else:
        unpaid = balance["principal"] - balance["advance"]
        amount, advance = max(unpaid, 0), max(-unpaid, 0)
        penalty, accrued = balance["penalty_due"], balance["penalty"]
    return {
        "account": account["number"],
        "payable": may_pay(account),
        "address": account["address"],
        "amount": amount,
        "penalty": penalty,
        "penalty_accrued": accrued,
        "total": amount + penalty,
        "advance": advance,
    }

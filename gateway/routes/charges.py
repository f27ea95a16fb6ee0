"""«Начисления» (S19): balances, months, movements."""

from __future__ import annotations

from functools import partial
from typing import Any

from gateway.concurrently import all_of
from gateway.cursors import decode_cursor, encode_cursor
from gateway.operations import API, Call, Operation
from gateway.ownership import own_account
from gateway.schemas import accounts as shapes
from gateway.web import route

TAG = "Charges"


class ChargeRoutes:
    """Routes of balances, penalties, months and movements."""

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<number>/balance",
            tag=TAG,
            summary="The balance by service, penalty apart, now or as of the past.",
            query=shapes.BalanceQuery,
            result=shapes.Balance,
        )
    )
    def balance(self, call: Call) -> Any:
        number = own_account(call, call.path["number"])
        return call.ask("ledger", "balance", number=number, as_of=call.query["as_of"])

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<number>/penalty",
            tag=TAG,
            summary="The penalty explained, as of today, a past or a future day.",
            query=shapes.PenaltyQuery,
            result=shapes.PenaltyExplained,
        )
    )
    def penalty(self, call: Call) -> Any:
        number = own_account(call, call.path["number"])
        on = call.query["on"]
        return call.ask("ledger", "penalty", number=number, on=on.isoformat() if on else None)

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<number>/charges",
            tag=TAG,
            summary="Months of one account with their lines, newest first.",
            query=shapes.MonthsQuery,
            result=shapes.Months,
        )
    )
    def months(self, call: Call) -> Any:
        number = own_account(call, call.path["number"])
        before = decode_cursor(_months_of(number), "before", call.query["before"])
        return _months(call, number, before)

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<number>/statement",
            tag=TAG,
            summary="Every movement of one account, oldest first.",
            query=shapes.StatementQuery,
            result=shapes.Statement,
        )
    )
    def statement(self, call: Call) -> Any:
        number = own_account(call, call.path["number"])
        subject = f"statement {number}"
        page = call.ask(
            "ledger",
            "statement",
            number=number,
            after=decode_cursor(subject, "after", call.query["after"]),
            limit=call.query["limit"],
        )
        return {**page, "next": encode_cursor(subject, page["next"])}

    @route(
        Operation(
            method="GET",
            path=f"{API}/charges",
            tag=TAG,
            summary="The newest months of every linked account.",
            query=shapes.AllChargesQuery,
            result=shapes.AllCharges,
        )
    )
    def all_charges(self, call: Call) -> Any:
        linked = call.ask("accounts", "linked", person_id=call.person_id)["accounts"]
        pages = all_of([partial(_months, call, account["number"], None) for account in linked])
        return {
            "accounts": [
                {"number": account["number"], "address": account["address"], **page}
                for account, page in zip(linked, pages, strict=True)
            ]
        }


def _months_of(number: str) -> str:
    return f"months {number}"


def _months(call: Call, number: str, before: Any) -> dict[str, Any]:
    page: dict[str, Any] = call.ask(
        "ledger", "charges", number=number, before=before, limit=call.query["limit"]
    )
    return {**page, "next": encode_cursor(_months_of(number), page["next"])}

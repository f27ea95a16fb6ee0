"""«Начисления» (S19): balances, months, movements."""

from __future__ import annotations

import re
from typing import Any

from gateway.cursors import decode_cursor, encode_cursor
from gateway.operations import API, Call, Operation
from gateway.ownership import of_linked_account, of_own_account
from gateway.schemas import accounts as shapes
from gateway.web import route
from gateway.whole_statements import days_asked, entries_between, statements_of
from shared.config import Settings

TAG = "Charges"
PERIOD = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
"""A month as addresses name it."""


class ChargeRoutes:
    """Routes of balances, penalties, months and movements."""

    settings: Any

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
        as_of = call.query["as_of"]
        return of_own_account(
            call,
            call.path["number"],
            lambda number: call.ask("ledger", "balance", number=number, as_of=as_of),
        )

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
        on = call.query["on"].isoformat() if call.query["on"] else None
        return of_own_account(
            call,
            call.path["number"],
            lambda number: call.ask("ledger", "penalty", number=number, on=on),
        )

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
        return of_own_account(call, call.path["number"], lambda number: _months(call, number))

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<number>/statement",
            tag=TAG,
            summary="Movements of one account, the oldest first: all, or of given days.",
            query=shapes.StatementQuery,
            result=shapes.Statement,
        )
    )
    def statement(self, call: Call) -> Any:
        def read(number: str) -> dict[str, Any]:
            if call.query["first_day"] or call.query["last_day"]:
                return _statement_of_days(call, number, self.settings)
            return _statement(call, number)

        return of_own_account(call, call.path["number"], read)

    @route(
        Operation(
            method="GET",
            path=f"{API}/statement",
            tag=TAG,
            summary="Movements of all linked accounts in given days, whole, with their totals.",
            query=shapes.StatementsQuery,
            result=shapes.Statements,
        )
    )
    def statements(self, call: Call) -> Any:
        first_day, last_day = days_asked(call, self.settings)
        wanted = call.query["account"]
        if wanted is None:
            linked = call.ask("accounts", "linked", person_id=call.person_id)["accounts"]
            numbers = [account["number"] for account in linked]
            found = entries_between(call, numbers, first_day, last_day)
        else:
            account, found = of_linked_account(
                call, wanted, lambda number: entries_between(call, [number], first_day, last_day)
            )
            linked = [account]
        return statements_of(linked, found, first_day, last_day)

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
        if not linked:
            return {"accounts": []}
        numbers = [account["number"] for account in linked]
        found = call.ask(
            "ledger", "charges_of_accounts", numbers=numbers, limit=call.query["limit"]
        )
        return {
            "accounts": [
                {**account, **page, "next": encode_cursor(_months_of(page["number"]), page["next"])}
                for account, page in zip(linked, found["accounts"], strict=True)
            ]
        }


def months_after(number: str, period: str) -> str:
    """Return the cursor with which `months` begins at a month (``2026-10``) of an account."""
    year, month = int(period[:4]), int(period[5:])
    following = f"{year + month // 12:04}-{month % 12 + 1:02}"
    return str(encode_cursor(_months_of(number), following))


def _statement(call: Call, number: str) -> dict[str, Any]:
    subject = f"statement {number}"
    page = call.ask(
        "ledger",
        "statement",
        number=number,
        after=decode_cursor(subject, "after", call.query["after"]),
        limit=call.query["limit"],
    )
    return {**page, "next": encode_cursor(subject, page["next"])}


def _statement_of_days(call: Call, number: str, settings: Settings) -> dict[str, Any]:
    first_day, last_day = days_asked(call, settings)
    subject = f"statement {number} {first_day} {last_day}"
    page = call.ask(
        "ledger",
        "statement_between",
        number=number,
        first_day=first_day.isoformat(),
        last_day=last_day.isoformat(),
        after=decode_cursor(subject, "after", call.query["after"]) or 0,
        limit=call.query["limit"],
    )
    return {
        **page,
        "first_day": page["from"],
        "last_day": page["to"],
        "next": encode_cursor(subject, page["next"]),
    }


def _months_of(number: str) -> str:
    return f"months {number}"


def _months(call: Call, number: str) -> dict[str, Any]:
    page: dict[str, Any] = call.ask(
        "ledger",
        "charges",
        number=number,
        before=decode_cursor(_months_of(number), "before", call.query["before"]),
        limit=call.query["limit"],
    )
    return {**page, "next": encode_cursor(_months_of(number), page["next"])}

"""«Начисления» (S19): balances, months, movements."""

from __future__ import annotations

import re
from typing import Any

from gateway.cursors import decode_cursor, encode_cursor
from gateway.operations import API, Call, Operation
from gateway.ownership import linked_accounts, numbered, of_linked_account, of_own_account
from gateway.schemas import accounts as shapes
from gateway.web import route
from gateway.whole_statements import days_asked, entries_between, statements_of
from shared.account_key import number_of
from shared.distant_clock import ServiceClocks

TAG = "Charges"
PERIOD = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
"""A month as addresses name it."""


class ChargeRoutes:
    """Routes of balances, penalties, months and movements."""

    clocks: ServiceClocks

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<account:number>/balance",
            tag=TAG,
            summary="The balance by service, penalty apart, now or as of the past.",
            description="`principal`, `penalty_accrued` and `advance` come from the same instant "
            "as `version`, the number of the last event counted; `penalty` is what the rules make "
            "of these events.",
            query=shapes.BalanceQuery,
            result=shapes.Balance,
            refusals={404: ("account_not_found", "account_not_linked")},
        )
    )
    def balance(self, call: Call) -> Any:
        as_of = call.query["as_of"]
        return of_own_account(
            call,
            call.path["number"],
            lambda key: call.ask("ledger", "balance", number=key, as_of=as_of),
        )

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<account:number>/penalty",
            tag=TAG,
            summary="The penalty explained, as of today, a past or a future day.",
            description="Day by day: each segment has one debt, one rate and one divisor, and adds "
            "up to the total of its month. A day to come is a forecast.",
            query=shapes.PenaltyQuery,
            result=shapes.PenaltyExplained,
            refusals={
                404: ("account_not_found", "account_not_linked"),
                422: ("invalid_day", "no_due_day", "no_key_rate", "no_penalty_rule"),
            },
        )
    )
    def penalty(self, call: Call) -> Any:
        on = call.query["on"].isoformat() if call.query["on"] else None
        return of_own_account(
            call,
            call.path["number"],
            lambda key: call.ask("ledger", "penalty", number=key, on=on),
        )

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<account:number>/charges",
            tag=TAG,
            summary="Months of one account with their lines, newest first.",
            description="A month has the bill as it was posted, and the later recalculations "
            "apart.",
            query=shapes.MonthsQuery,
            result=shapes.Months,
            refusals={400: ("invalid_cursor",), 404: ("account_not_found", "account_not_linked")},
        )
    )
    def months(self, call: Call) -> Any:
        return of_own_account(call, call.path["number"], lambda key: _months(call, key))

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<account:number>/statement",
            tag=TAG,
            summary="Movements of one account, the oldest first: all, or of given days.",
            description="With `from` or `to`, the movements of those days in the order in which "
            "they took effect, with their turnover; otherwise all, by position in the ledger.",
            query=shapes.StatementQuery,
            result=shapes.Statement,
            refusals={
                400: ("invalid_cursor",),
                404: ("account_not_found", "account_not_linked"),
                422: ("invalid_days",),
            },
        )
    )
    def statement(self, call: Call) -> Any:
        def read(key: str) -> dict[str, Any]:
            if call.query["first_day"] or call.query["last_day"]:
                return _statement_of_days(call, key, self.clocks)
            return _statement(call, key)

        return of_own_account(call, call.path["number"], read)

    @route(
        Operation(
            method="GET",
            path=f"{API}/statement",
            tag=TAG,
            summary="Movements of all linked accounts in given days, whole, with their totals.",
            description="The totals are the turnover sheet of these days; each account's add up to "
            "those of all.",
            query=shapes.StatementsQuery,
            result=shapes.Statements,
            refusals={404: ("account_not_linked",), 422: ("invalid_days",)},
        )
    )
    def statements(self, call: Call) -> Any:
        first_day, last_day = days_asked(call, self.clocks.of("ledger"))
        wanted = call.query["account"]
        if wanted is None:
            linked = linked_accounts(call)
            keys = [account["account"] for account in linked]
            found = numbered(entries_between(call, keys, first_day, last_day))
        else:
            account, found = of_linked_account(
                call, wanted, lambda key: entries_between(call, [key], first_day, last_day)
            )
            linked = [account]
        return statements_of(linked, found, first_day, last_day)

    @route(
        Operation(
            method="GET",
            path=f"{API}/charges",
            tag=TAG,
            summary="The newest months of every linked account.",
            description="Each account continues at its own `next`, by `GET "
            "/accounts/{number}/charges`.",
            query=shapes.AllChargesQuery,
            result=shapes.AllCharges,
        )
    )
    def all_charges(self, call: Call) -> Any:
        linked = linked_accounts(call)
        if not linked:
            return {"accounts": []}
        keys = [account["account"] for account in linked]
        found = call.ask("ledger", "charges_of_accounts", numbers=keys, limit=call.query["limit"])
        return {
            "accounts": [
                {
                    **account,
                    **numbered(page),
                    "next": encode_cursor(_months_of(page["number"]), page["next"]),
                }
                for account, page in zip(linked, found["accounts"], strict=True)
            ]
        }


def months_after(number: str, period: str) -> str:
    """Return the cursor with which `months` begins at a month (``2026-10``) of an account."""
    year, month = int(period[:4]), int(period[5:])
    following = f"{year + month // 12:04}-{month % 12 + 1:02}"
    return str(encode_cursor(_months_of(number), following))


def _statement(call: Call, key: str) -> dict[str, Any]:
    subject = f"statement {key}"
    page = call.ask(
        "ledger",
        "statement",
        number=key,
        after=decode_cursor(subject, "after", call.query["after"]),
        limit=call.query["limit"],
    )
    return {**page, "next": encode_cursor(subject, page["next"])}


def _statement_of_days(call: Call, key: str, clocks: ServiceClocks) -> dict[str, Any]:
    first_day, last_day = days_asked(call, clocks.of("ledger"))
    subject = f"statement {key} {first_day} {last_day}"
    page = call.ask(
        "ledger",
        "statement_between",
        number=key,
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


def _months_of(key: str) -> str:
    # Pages know the number alone.
    return f"months {number_of(key)}"


def _months(call: Call, key: str) -> dict[str, Any]:
    page: dict[str, Any] = call.ask(
        "ledger",
        "charges",
        number=key,
        before=decode_cursor(_months_of(key), "before", call.query["before"]),
        limit=call.query["limit"],
    )
    return {**page, "next": encode_cursor(_months_of(key), page["next"])}

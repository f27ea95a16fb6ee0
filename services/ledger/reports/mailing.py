"""Whom a mailing is about: the bills of an import, debts that fall due, debts before a penalty.

Each comes in pages of bounded cost: a bill by its place in the log, a debt by the number of its
account. Rows say who owes; the history of an account is read only where a penalty is about to
begin, since the rules go by when each part of a debt was billed, and to whom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from services.ledger.domain import Account, account_id
from services.ledger.domain.book import IMPORTS, ImportFinished
from services.ledger.domain.events import ChargesPosted
from services.ledger.penalties.beginning import due_days_bearing_from, first_penalty_day
from services.ledger.penalties.law import PenaltyLaw
from shared.cooperation import cooperatively
from shared.eventstore import Session
from shared.money import Kopecks

RUNS_AT_ONCE = 100

_FINISHED = (
    "SELECT notification_id AS position, recorded_at, state FROM events "
    "WHERE originator_id = %s AND topic = %s AND notification_id > %s "
    "ORDER BY originator_version LIMIT %s"
)
_OF_CHARGES = "SELECT digest FROM imports WHERE kind = 'charges' AND digest = ANY(%s)"
_BILLS = (
    "SELECT state FROM events WHERE notification_id > %s AND notification_id <= %s "
    "AND topic = %s AND correlation_id = %s ORDER BY notification_id"
)
# Pages end at an account, not at so many that owe: however few these are, a page costs the same.
_LAST_OF_PAGE = (
    "SELECT max(number) AS number, count(*) AS count FROM "
    "(SELECT number FROM balances WHERE number > %s ORDER BY number LIMIT %s) AS page"
)
_OWING = (
    "SELECT number, open_items, due_dates FROM balances "
    "WHERE number > %s AND number <= %s AND principal > 0 "
    "AND EXISTS (SELECT FROM json_each_text(due_dates) AS due WHERE due.value = ANY(%s)) "
    "ORDER BY number"
)
_OPEN = (
    "SELECT number, open_items, due_dates FROM balances WHERE number = ANY(%s) AND principal > 0"
)


class _Line(msgspec.Struct):
    payable: Kopecks


class _Bill(msgspec.Struct):
    """What a mailing needs of a bill: a million of them are decoded."""

    account: str
    period: str
    due_on: str
    lines: list[_Line]


_bill = msgspec.json.Decoder(_Bill).decode


def billing_runs(session: Session, after: int) -> dict[str, Any]:
    """Return the imports of charges that were finished after a position, the earliest first.

    The bills of one stand at positions from ``first_position`` to ``last_position``; ``next`` is
    the position to go on after.
    """
    cursor = session.cursor
    cursor.execute(_FINISHED, (IMPORTS, ImportFinished.topic, after, RUNS_AT_ONCE))
    rows = cursor.fetchall()
    finished = [(row, msgspec.json.decode(row["state"], type=_Finished)) for row in rows]
    cursor.execute(_OF_CHARGES, ([event.digest for _, event in finished],))
    charges = {row["digest"] for row in cursor.fetchall()}
    runs = [
        {
            "file_digest": event.digest,
            "finished_at": row["recorded_at"].isoformat(),
            "first_position": event.first_position,
            "last_position": event.last_position,
        }
        for row, event in finished
        if event.digest in charges and event.first_position is not None
    ]
    return {"runs": runs, "next": rows[-1]["position"] if rows else after}


class _Finished(msgspec.Struct):
    digest: str
    first_position: int | None
    last_position: int | None


def billed(
    session: Session, file_digest: str, after: int, through: int, limit: int
) -> dict[str, Any]:
    """Return the bills that an import has posted at ``limit`` positions of the log.

    Each is ``{account, period, total, due_on}``; ``next`` is None after the page with the last.
    """
    last = min(after + limit, through)
    correlation = f"import-{file_digest[:16]}"
    session.cursor.execute(_BILLS, (after, last, ChargesPosted.topic, correlation))
    bills = []
    for row in cooperatively(session.cursor.fetchall()):
        bill = _bill(row["state"])
        bills.append(
            {
                "account": bill.account,
                "period": bill.period,
                "total": sum([line.payable for line in bill.lines]),
                "due_on": bill.due_on,
            }
        )
    return {"bills": bills, "next": last if last < through else None}


def debts_due(session: Session, due_on: date, after: str, limit: int) -> dict[str, Any]:
    """Return what is owed of bills that are due on a day, of ``limit`` accounts after a number.

    ``{debts: [{account, amount, due_on}], next}``.
    """
    day = due_on.isoformat()
    rows, next_ = _owing(session, [day], after, limit)
    owed = {row["number"]: [one for one in _open(row) if one["due_on"] == day] for row in rows}
    debts = [
        _debt(number, sum(one["amount"] for one in found), due_on)
        for number, found in owed.items()
        if found
    ]
    return {"debts": debts, "next": next_}


def debts_before_penalty(
    session: Session, first_day: date, after: str, limit: int, law: PenaltyLaw
) -> dict[str, Any]:
    """Return what is overdue and bears a penalty from a day on, of accounts after a number.

    As `debts_due`; ``due_on`` is the earliest due day of what is owed.
    """
    days = [day.isoformat() for day in due_days_bearing_from(first_day, law.rules)]
    rows, next_ = _owing(session, days, after, limit)
    numbers = [row["number"] for row in rows]
    histories = session.histories([account_id(number) for number in numbers])
    debts = []
    for number in cooperatively(numbers):
        account = Account(account_id(number))
        for recorded in histories.get(account.id, ()):
            account.replay(recorded.event)
        account.law = law
        bearing = [
            debt
            for debt in account.settlement(session.today).debts
            if debt.unpaid > 0
            and debt.late_after < session.today
            and first_penalty_day(debt, law.rules) == first_day
        ]
        if bearing:
            amount = sum(debt.unpaid for debt in bearing)
            debts.append(_debt(number, amount, min(debt.due_on for debt in bearing)))
    return {"debts": debts, "next": next_}


def open_debts(session: Session, accounts: Sequence[str]) -> dict[str, Any]:
    """Return ``{accounts: {account: [{period, due_on, amount}]}}`` of those that owe now."""
    session.cursor.execute(_OPEN, (list(accounts),))
    return {"accounts": {row["number"]: _open(row) for row in session.cursor.fetchall()}}


def _owing(
    session: Session, days: Iterable[str], after: str, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    session.cursor.execute(_LAST_OF_PAGE, (after, limit))
    page = session.cursor.fetchone()
    if not page["count"]:
        return [], None
    session.cursor.execute(_OWING, (after, page["number"], list(days)))
    rows = session.cursor.fetchall()
    return rows, page["number"] if page["count"] == limit else None


def _open(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is owed of an account by month."""
    owed = {period: sum(services.values()) for period, services in row["open_items"].items()}
    return [
        {"period": period, "due_on": row["due_dates"][period], "amount": amount}
        for period, amount in sorted(owed.items())
        if amount > 0
    ]


def _debt(number: str, amount: Kopecks, due_on: date) -> dict[str, Any]:
    return {"account": number, "amount": amount, "due_on": due_on.isoformat()}

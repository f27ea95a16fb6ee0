"""Parsing of a file's rows of one account into entries of the reference model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, TypeAlias
from uuid import UUID

from shared.ids import NAMESPACE, derived_id
from tests.ledger_oracle.facts import TAKEN_OVER, Fact
from tests.ledger_oracle.law import due_on
from tests.simulation.reference_model import Entry, ModelAccount

Row: TypeAlias = Mapping[str, Any]


def entries_of(kind: str, rows: Sequence[Row], account: ModelAccount) -> Iterable[Entry]:
    """Yield the entries of one account's rows, to be recorded in ``account`` one by one.

    The caller records each before it takes the next: a correction takes effect no earlier than
    what it corrects.
    """
    readers: dict[str, Callable[[Sequence[Row], ModelAccount], Iterable[Entry]]] = {
        "registry": _registry,
        "opening": _opening,
        "charges": _bills,
        "adjustments": _adjustments,
        "payments": _payments,
        "reversals": _reversals,
        "write-offs": _write_offs,
    }
    return readers[kind](rows, account)


def kopecks(text: Any) -> int:
    """Parse roubles into kopecks; an empty field is 0."""
    exact = Decimal(str(text).replace(",", ".") or "0") * 100
    assert exact == int(exact), "roubles have two decimals"
    return int(exact)


def _registry(rows: Sequence[Row], account: ModelAccount) -> Iterable[Entry]:
    for row in rows:
        yield _opened(row, {})


def _opening(rows: Sequence[Row], account: ModelAccount) -> Iterable[Entry]:
    yield _opened(rows[0], {row["service"]: kopecks(row["amount"]) for row in rows})


def _opened(row: Row, lines: Mapping[str, int]) -> Entry:
    day, kind = _day(row["effective_on"]), row["payer_kind"]
    return Entry(Fact(day, "open", period=TAKEN_OVER, lines=lines, kind=kind))


def _bills(rows: Sequence[Row], account: ModelAccount) -> Iterable[Entry]:
    for period, bill in groupby(rows, key=lambda row: row["period"]):
        lines = list(bill)
        columns = {
            row["service"]: (
                kopecks(row["charged"]),
                kopecks(row["recalculation"]),
                -kopecks(row["concession"]),
            )
            for row in lines
        }
        payable = {service: sum(line) for service, line in columns.items()}
        on, due_on = _day(lines[0]["effective_on"]), _day(lines[0]["due_on"])
        yield Entry(Fact(on, "bill", period, period, payable, due_on), columns)


def _adjustments(rows: Sequence[Row], account: ModelAccount) -> Iterable[Entry]:
    for name, group in groupby(rows, key=lambda row: row["adjustment_id"]):
        adjustment = list(group)
        period = adjustment[0]["period"]
        bill = account.bills[period]
        on = max(_day(adjustment[0]["effective_on"]), bill.day)
        lines = {row["service"]: kopecks(row["amount"]) for row in adjustment}
        due = max(due_on(on), bill.due_on or on)
        yield Entry(Fact(on, "adjust", _id_of(adjustment[0]["account"], name), period, lines, due))


def _payments(rows: Sequence[Row], account: ModelAccount) -> Iterable[Entry]:
    for row in rows:
        name, period, penalty = row["payment_id"], row["period"], row["penalty"] or 0
        on, amount = _day(row["paid_on"]), row["amount"]
        yield Entry(Fact(on, "pay", name, period, amount=amount, penalty=penalty))


def _reversals(rows: Sequence[Row], account: ModelAccount) -> Iterable[Entry]:
    for row in rows:
        payment = account.payments[row["payment_id"]]
        yield Entry(Fact(max(_day(row["on"]), payment.day), "reverse", payment.name))


def _write_offs(rows: Sequence[Row], account: ModelAccount) -> Iterable[Entry]:
    for row in rows:
        yield Entry(Fact(_day(row["on"]), "write_off", amount=row["amount"]))


def _id_of(account: str, name: str) -> str:
    """Return the id of an adjustment: a name that is none makes one."""
    try:
        return str(UUID(name))
    except ValueError:
        return str(derived_id(NAMESPACE, "ledger", "adjustment", account, name))


def _day(text: str) -> date:
    return date.fromisoformat(text)

"""Parsing of a file's rows of one account into entries of the reference model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, TypeAlias

from tests.simulation.reference_model import Entry, ModelAccount

Row: TypeAlias = Mapping[str, Any]


def entries_of(kind: str, day: date, rows: Sequence[Row], account: ModelAccount) -> Iterable[Entry]:  # noqa: PLR0912
    """Yield the entries of one account's rows, to be recorded in ``account`` one by one.

    The caller records each before it takes the next: a correction takes effect no earlier than
    what it corrects.
    """
    if kind == "registry":
        yield from (Entry(_day(r["effective_on"]), "open", (r["payer_kind"], {})) for r in rows)
    elif kind == "opening":
        lines = {row["service"]: kopecks(row["amount"]) for row in rows}
        yield Entry(_day(rows[0]["effective_on"]), "open", (rows[0]["payer_kind"], lines))
    elif kind == "charges":
        for _, bill in groupby(rows, key=lambda row: row["period"]):
            yield from _bill(list(bill))
    elif kind == "adjustments":
        for _, group in groupby(rows, key=lambda row: row["adjustment_id"]):
            adjustment = list(group)
            period = adjustment[0]["period"]
            on = max(_day(adjustment[0]["effective_on"]), account.bills[period][1])
            lines = {row["service"]: kopecks(row["amount"]) for row in adjustment}
            yield Entry(on, "adjust", (period, lines))
    elif kind == "payments":
        for row in rows:
            values = (row["payment_id"], row["amount"], row["penalty"], row["period"])
            yield Entry(_day(row["paid_on"]), "pay", values)
    elif kind == "reversals":
        for row in rows:
            on = max(_day(row["on"]), account.payments[row["payment_id"]][0])
            yield Entry(on, "reverse", (row["payment_id"],))
    elif kind == "write-offs":
        for row in rows:
            yield Entry(
                max(_day(row["on"]), account.penalty_changed_on), "waive_penalty", (row["amount"],)
            )
    else:
        raise ValueError(f"no such kind: {kind}")


def kopecks(text: Any) -> int:
    """Parse roubles into kopecks; an empty field is 0."""
    exact = Decimal(str(text).replace(",", ".") or "0") * 100
    assert exact == int(exact), "roubles have two decimals"
    return int(exact)


def _bill(rows: Sequence[Row]) -> Iterable[Entry]:
    on, due_on = _day(rows[0]["effective_on"]), _day(rows[0]["due_on"])
    lines = {
        row["service"]: (
            kopecks(row["charged"]),
            kopecks(row["recalculation"]),
            -kopecks(row["concession"]),
        )
        for row in rows
    }
    yield Entry(on, "charge", (rows[0]["period"], due_on, lines))
    if penalty := sum(kopecks(row["penalty"]) for row in rows):
        yield Entry(on, "add_penalty", (penalty,))


def _day(text: str) -> date:
    return date.fromisoformat(text)

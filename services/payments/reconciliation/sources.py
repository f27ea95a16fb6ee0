"""Where the records of a reconciliation come from: our tables, acquirers, ledger, registers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from services.payments.acquirers import Acquirer, Order, OrderReport, OrderState
from services.payments.reconciliation.findings import (
    BankOrder,
    Line,
    OurPayment,
    Posting,
    RegisterLine,
)
from shared.clock import Clock
from shared.errors import Unavailable
from shared.eventstore import Session

BATCH: Final = 500
_CHARGED: Final = frozenset({OrderState.PAID, OrderState.RETURNED})

_OURS: Final = """
SELECT payments.payment_id, payments.acquirer, payments.state, payments.paid_on, payments.refunded,
       CASE WHEN payments.captured_at IS NULL THEN 0 ELSE payments.charged END AS captured,
       ARRAY(SELECT order_number FROM orders WHERE orders.payment_id = payments.payment_id
              ORDER BY lost DESC, order_number) AS numbers,
       (SELECT json_agg(json_build_object('account', account, 'amount', amount + penalty,
                                          'returned', refunded) ORDER BY line)
          FROM payment_lines AS line WHERE line.payment_id = payments.payment_id) AS lines
  FROM payments
"""
_OF_DAY: Final = (
    " WHERE paid_on = %(day)s OR payment_id IN"
    " (SELECT payment_id FROM refunds WHERE refunded_on = %(day)s)"
)
_BY_NUMBERS: Final = (
    " WHERE payment_id IN (SELECT payment_id FROM orders WHERE order_number = ANY(%s))"
)
_IN_ORDER: Final = " ORDER BY position"

Call: TypeAlias = Callable[..., Any]
"""Calls a method of another service."""


def instants_of(first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return when the first of some days begins, and when the last one has ended."""
    return (
        datetime.combine(first, time(), zone),
        datetime.combine(last + timedelta(days=1), time(), zone),
    )


# Our tables


def ours_of_day(session: Session, day: date) -> list[OurPayment]:
    """Return the payments that were captured on a day, or of which money went back on it."""
    session.cursor.execute(f"{_OURS}{_OF_DAY}{_IN_ORDER}", {"day": day})
    return [_ours(row) for row in session.cursor.fetchall()]


def ours_by_ids(session: Session, payment_ids: Collection[str]) -> list[OurPayment]:
    """Return payments by their ids; those that are not ours are left out."""
    session.cursor.execute(
        f"{_OURS} WHERE payment_id = ANY(%s){_IN_ORDER}", ([*map(UUID, payment_ids)],)
    )
    return [_ours(row) for row in session.cursor.fetchall()]


def ours_by_numbers(session: Session, numbers: Collection[str]) -> list[OurPayment]:
    """Return the payments that have orders of these numbers."""
    session.cursor.execute(f"{_OURS}{_BY_NUMBERS}{_IN_ORDER}", (list(numbers),))
    return [_ours(row) for row in session.cursor.fetchall()]


def _ours(row: Mapping[str, Any]) -> OurPayment:
    return OurPayment(
        payment_id=str(row["payment_id"]),
        acquirer=row["acquirer"],
        order_numbers=tuple(row["numbers"]),
        state=row["state"],
        day=row["paid_on"],
        amount=row["captured"],
        returned=row["refunded"],
        lines=tuple(Line(**line) for line in row["lines"] or ()),
    )


# Acquirers


def reported(
    acquirers: Mapping[str, Acquirer], since: datetime, until: datetime, clock: Clock
) -> Iterator[BankOrder]:
    """Yield the orders that the acquirers charged in a time, each once.

    Raises Unavailable ``acquirer_unavailable`` that names the one that does not answer.
    """
    for name, acquirer in acquirers.items():
        seen: set[str] = set()
        try:
            for report in acquirer.report(since, until):
                if report.order_number not in seen:
                    seen.add(report.order_number)
                    yield _order(name, report.order_number, report, clock)
        except Unavailable as error:
            raise _silent(name) from error


def order_of(
    acquirers: Mapping[str, Acquirer], row: Mapping[str, Any], clock: Clock
) -> BankOrder | None:
    """Return an order of ours as its acquirer has it; None where it charged nothing.

    Raises Unavailable ``acquirer_unavailable`` where it does not say.
    """
    name = row["acquirer"] or next(iter(acquirers))
    if name not in acquirers:
        raise Unavailable(
            "acquirer_unavailable",
            f"The acquirer {name} has orders of ours and is not configured any more.",
            acquirer=name,
        )
    order = Order(order_number=row["order_number"], order_id=row["order_id"])
    report = acquirers[name].find_order(order)
    if report is None:
        return None
    if report.state is OrderState.UNKNOWN:
        if row["lost"] and row["order_id"] is None:
            # Nobody has seen its page, and an acquirer may not look far back for a mere number.
            return None
        raise _silent(name)
    found = _order(name, row["order_number"], report, clock)
    return found if found.amount else None


def orders_of(session: Session, payment_ids: Collection[str]) -> list[dict[str, Any]]:
    """Return the orders of payments, as the table has them."""
    session.cursor.execute(
        "SELECT * FROM orders WHERE payment_id = ANY(%s) ORDER BY order_number",
        ([*map(UUID, payment_ids)],),
    )
    return session.cursor.fetchall()  # type: ignore[no-any-return]


def _order(name: str, number: str, report: OrderReport, clock: Clock) -> BankOrder:
    charged = report.state in _CHARGED
    return BankOrder(
        acquirer=name,
        order_number=number,
        state=report.state.value,
        day=clock.day_of(report.charged_at) if charged and report.charged_at else None,
        amount=report.charged if charged else 0,
        returned=report.returned if charged else 0,
    )


def _silent(name: str) -> Unavailable:
    return Unavailable(
        "acquirer_unavailable", f"The acquirer {name} does not answer.", acquirer=name
    )


# The ledger


def posted_on(call: Call, day: date, progress: Callable[[int], None]) -> list[Posting]:
    """Return what the ledger has of the payments of a day, and of those taken back on it."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    after: int | None = 0
    while after is not None:
        page = call("ledger", "payments_of_day", day=day.isoformat(), after=after, limit=BATCH)
        found |= {(row["payment_id"], row["account"]): row for row in page["payments"]}
        progress(len(page["payments"]))
        after = page["next"]
    return _postings(found.values())


def posted(call: Call, payment_ids: Sequence[str]) -> list[Posting]:
    """Return what the ledger has of payments."""
    rows: list[dict[str, Any]] = []
    for begin in range(0, len(payment_ids), BATCH):
        batch = payment_ids[begin : begin + BATCH]
        rows += call("ledger", "payments_posted", payment_ids=list(batch))["payments"]
    return _postings(rows)


def _postings(rows: Collection[Mapping[str, Any]]) -> list[Posting]:
    """Return the postings, each under the account that was paid, wherever it was moved since."""
    moved = {
        (row["payment_id"], row["account"]): row["moved_from"] for row in rows if row["moved_from"]
    }
    return [_posting(row, moved) for row in rows]


def _posting(row: Mapping[str, Any], moved: Mapping[tuple[str, str], str]) -> Posting:
    payment_id, account = row["payment_id"], row["account"]
    passed = {account}
    while (origin := moved.get((payment_id, account))) and origin not in passed:
        account = origin
        passed.add(account)
    # What was moved away is posted to the account that has it now.
    gone = row["reversed"] if row["moved_to"] else 0
    return Posting(
        payment_id=payment_id,
        account=account,
        day=date.fromisoformat(row["paid_on"]),
        amount=row["amount"] - gone,
        returned=row["refunded"],
        reversed=bool(row["reversed"]) and not gone,
        by_staff=row["actor"].startswith("staff:") and not row["moved_from"],
        place=row["place"],
    )


# Registers

Registers: TypeAlias = Callable[[Session, date], Sequence[RegisterLine]]
"""Returns the lines of bank registers that were paid on a day."""

"""What staff are shown of payments: lists, one with its history, what is stuck. No person's id."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from services.payments.state import State
from shared.errors import NotFound
from shared.eventstore import Session

OVERDUE: Final = timedelta(minutes=1)
"""How long the ledger and the worker may take before something counts as stuck."""
MOST_COUNTED: Final = 10_000
REFUSED_SHOWN: Final = timedelta(days=30)

_ROW: Final = (
    "SELECT payments.payment_id, payments.state, payments.acquirer, payments.total,"
    " payments.charged, payments.refunded, payments.created_at, payments.captured_at,"
    " payments.paid_on, payments.masked_card, payments.failure, payments.position,"
    " ARRAY(SELECT account FROM payment_lines AS line"
    " WHERE line.payment_id = payments.payment_id ORDER BY line) AS accounts FROM payments"
)


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """Which payments to list: those before a position, of a state, an account, a day."""

    before: int | None
    limit: int
    state: str | None = None
    account: str | None = None
    day: date | None = None


def listed(session: Session, query: Listed) -> dict[str, Any]:
    """Return {payments, next}, the newest first; `next` is the position of the last one.

    The day is that of the charge, or of the start where nothing was charged.
    """
    session.cursor.execute(
        f"{_ROW} WHERE (%(before)s::bigint IS NULL OR position < %(before)s)"
        " AND (%(state)s::text IS NULL OR state = %(state)s)"
        " AND (%(account)s::text IS NULL OR EXISTS (SELECT FROM payment_lines AS line"
        " WHERE line.payment_id = payments.payment_id"
        " AND %(account)s IN (line.account, line.moved_to, split_part(line.account, '-', 1),"
        " split_part(line.moved_to, '-', 1))))"
        " AND (%(day)s::date IS NULL OR paid_on = %(day)s OR paid_on IS NULL"
        " AND created_at >= %(day)s::date - 1 AND created_at < %(day)s::date + 2)"
        " ORDER BY position DESC",
        {
            "before": query.before,
            "state": query.state,
            "account": query.account,
            "day": query.day,
        },
    )
    found = []
    for row in session.cursor:
        if _is_of_day(session, row, query.day):
            found.append(row)
        if len(found) > query.limit:
            break
    page = found[: query.limit]
    return {
        "payments": [_plain(row) for row in page],
        "next": page[-1]["position"] if len(found) > len(page) else None,
    }


def _is_of_day(session: Session, row: Mapping[str, Any], day: date | None) -> bool:
    return day is None or (row["paid_on"] or session.clock.day_of(row["created_at"])) == day


def shown(session: Session, payment_id: UUID) -> dict[str, Any]:
    """Return all of one payment: lines, orders, the next poll, refunds, and its events.

    Raises NotFound `payment_not_found`.
    """
    session.cursor.execute(f"{_ROW} WHERE payment_id = %s", (payment_id,))
    row = session.cursor.fetchone()
    if row is None:
        raise NotFound("payment_not_found", "There is no such payment.")
    session.cursor.execute(
        "SELECT account, amount, penalty, refunded, moved_to, ledger_position FROM payment_lines"
        " WHERE payment_id = %s ORDER BY line",
        (payment_id,),
    )
    lines = session.cursor.fetchall()
    orders = session.read.orders(payment_id)
    refunds = session.read.refunds.of_payments([payment_id]).get(payment_id, ())
    poll = session.read.polls.find(payment_id)
    return {
        **_plain(row),
        "lines": [_plain(line) for line in lines],
        "orders": [
            {name: order[name] for name in ("order_number", "acquirer", "order_id", "lost")}
            for order in orders
        ],
        "poll": None if poll is None else _plain(poll),
        "refunds": [refund_of(refund) for refund in refunds],
        "history": [
            {
                "at": recorded.recorded_at.isoformat(),
                "event": recorded.event.topic.split(".")[1],
                "actor": _staff_or_service(recorded.actor),
            }
            for recorded in session.history(payment_id)
        ],
    }


def refund_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a refund as staff see it: who, why, and what the acquirer and the ledger did."""
    names = (
        "refund_id", "payment_id", "state", "lines", "total", "cause", "reason", "by",
        "decided_by", "requested_at", "returned_at", "refunded_on", "posted", "refusal",
    )  # fmt: skip
    return _plain({name: row[name] for name in names})


def refunds(session: Session, state: str | None, limit: int) -> list[dict[str, Any]]:
    """Return the refunds in a state (None: all), the newest first."""
    session.cursor.execute(
        "SELECT * FROM refunds WHERE %(state)s::text IS NULL OR state = %(state)s"
        " ORDER BY requested_at DESC, refund_id LIMIT %(limit)s",
        {"state": state, "limit": limit},
    )
    return [refund_of(row) for row in session.cursor.fetchall()]


# What is stuck

_STUCK: Final = """
SELECT payments.payment_id, NULL::uuid AS refund_id, payments.state AS what,
       coalesce(polls.since, payments.created_at) AS since, coalesce(charged, total) AS amount
  FROM payments LEFT JOIN polls USING (payment_id)
 WHERE state IN ('unknown', 'mismatch')
UNION ALL
SELECT payments.payment_id, NULL, 'not_polled', payments.created_at, total
  FROM payments LEFT JOIN polls USING (payment_id)
 WHERE state IN ('created', 'awaiting_payment') AND polls.due_at IS NULL
UNION ALL
SELECT payments.payment_id, NULL, 'not_posted', captured_at, charged
  FROM payments
 WHERE captured_at < %(overdue)s AND state IN ('captured', 'partly_refunded', 'refunded')
   AND EXISTS (SELECT FROM payment_lines AS line
                WHERE line.payment_id = payments.payment_id AND ledger_position IS NULL)
UNION ALL
SELECT payment_id, refund_id,
       CASE state WHEN 'made' THEN 'refund_not_posted'
                  WHEN 'refused' THEN 'refund_refused' ELSE 'refund_not_made' END,
       coalesce(returned_at, requested_at), total
  FROM refunds
 WHERE state = 'requested' AND requested_at < %(overdue)s
    OR state = 'refused' AND requested_at > %(refused)s
   AND NOT EXISTS (SELECT FROM refunds AS later WHERE later.payment_id = refunds.payment_id
                      AND later.state IN ('requested', 'made')
                      AND later.requested_at > refunds.requested_at)
    OR state = 'made' AND returned_at < %(overdue)s
   AND cardinality(posted) < jsonb_array_length(lines)
 ORDER BY since, payment_id
 LIMIT %(limit)s
"""


def stuck(session: Session, limit: int) -> list[dict[str, Any]]:
    """Return what does not go on by itself, the longest first: {payment_id, refund_id, what,
    since, amount, command}.

    `what` is a state of a payment (`unknown`, `mismatch`), `not_polled`, `not_posted`,
    `refund_not_made`, `refund_refused` or `refund_not_posted`.
    """
    session.cursor.execute(
        _STUCK,
        {
            "overdue": session.now - OVERDUE,
            "refused": session.now - REFUSED_SHOWN,
            "limit": limit,
        },
    )
    return [
        {**_plain(row), "command": _command(row["what"], row["payment_id"])}
        for row in session.cursor.fetchall()
    ]


TROUBLES: Final = (
    "unknown", "mismatch", "not_polled", "not_posted",
    "refund_not_made", "refund_refused", "refund_not_posted",
)  # fmt: skip


def stuck_counts(session: Session) -> dict[str, int]:
    """Return how many are stuck, by what."""
    counts = dict.fromkeys(TROUBLES, 0)
    for row in stuck(session, MOST_COUNTED):
        counts[row["what"]] += 1
    return counts


def _command(what: str, payment_id: UUID) -> str:
    match what:
        case State.MISMATCH:
            return f"saldo payments resolve {payment_id} --return --reason WHY"
        case "not_posted" | "refund_not_posted":
            return "saldo bus parked ledger --retry-all"
        case "refund_refused":
            return f"saldo payments refund {payment_id} --reason WHY --command-id ANOTHER"
        case _:
            return f"saldo payments resolve {payment_id} --poll --reason WHY"


def _staff_or_service(actor: str) -> str:
    """Return who acted; of a person only that he did."""
    return "person" if actor.startswith("person:") else actor


# For accounting

_MONEY: Final = """
SELECT * FROM (
SELECT payments.paid_on AS day, 'charge' AS kind, payments.payment_id::text AS id,
       payments.payment_id, line.account,
       line.amount, line.penalty, NULL::bigint AS fee, payments.acquirer, payments.order_number
  FROM payments JOIN payment_lines AS line USING (payment_id)
 WHERE paid_on BETWEEN %(first)s AND %(last)s
UNION ALL
SELECT refunds.refunded_on, 'refund', refunds.refund_id::text, refunds.payment_id, part.account,
       -part.amount, 0, NULL, payments.acquirer, payments.order_number
  FROM refunds JOIN payments USING (payment_id),
       jsonb_to_recordset(refunds.lines) AS part(account text, amount bigint)
 WHERE refunds.state = 'made' AND refunded_on BETWEEN %(first)s AND %(last)s
UNION ALL
SELECT paid_on, 'bank', payment_id::text, payment_id, account, amount, 0, fee, bank, document
  FROM bank_payments
 WHERE state = 'posted' AND paid_on BETWEEN %(first)s AND %(last)s
) AS money
 WHERE %(after)s::text[] IS NULL
    OR (day::text, kind, account, id) > (%(a)s::text, %(b)s, %(c)s, %(d)s)
 ORDER BY day::text, kind, account, id LIMIT %(limit)s
"""


def money(
    session: Session, first: date, last: date, after: tuple[str, ...] | None, limit: int
) -> list[dict[str, Any]]:
    """Return charges, refunds as negative sums, and what banks took, by day, kind, account, id.

    At most `limit`, after the one with this (day, kind, account, id).
    """
    session.cursor.execute(
        _MONEY,
        {
            "first": first,
            "last": last,
            "after": None if after is None else list(after),
            **dict(zip("abcd", after or ("",) * 4, strict=True)),
            "limit": limit,
        },
    )
    return [_plain(row) for row in session.cursor.fetchall()]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(dict(row))
    return plain

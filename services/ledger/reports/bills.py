"""A month's bill («платёжный документ») with its account: read from the account's own stream.

The account of a bill runs from the day after the one before ends to the end of its month, or to
its own day where that is later: so each bill opens with what the last one closed with.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from services.ledger.domain import account_id
from services.ledger.domain.effective_order import in_effective_order
from services.ledger.domain.events import (
    ChargesAdjusted,
    ChargesPosted,
    PaymentPosted,
    PaymentRefunded,
    PaymentReversed,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltyWrittenOff,
)
from services.ledger.domain.tenures import own_bills
from services.ledger.penalties.law import law_in_force
from services.ledger.reports.history import shown_turnover
from services.ledger.reports.statements import line_of_bill, recorded_events
from services.ledger.reports.turnover import ADVANCE, PENALTY
from shared.errors import NotFound
from shared.eventstore import Session


def bill(session: Session, number: str, period: str) -> dict[str, Any]:
    """Return the bill of a month: its lines, and what the account did since the bill before.

    ``services`` has a row for each service, for ``penalty`` and for ``advance`` with the columns of
    the turnover sheet, ``totals`` their sums: closing = opening + charged + recalculated -
    concession + penalty - paid. Raises NotFound ``account_not_found``, and ``bill_not_issued`` with
    the latest month that has a bill.
    """
    events = [recorded.event for recorded in recorded_events(session, number)]
    bills = own_bills(events)
    posted, latest = bills.get(period), max(bills, default="")
    if posted is None:
        raise NotFound(
            "bill_not_issued",
            "There is no bill of this month.",
            period=period,
            latest=latest,
            latest_issued_on=bills[latest].effective_on.isoformat() if latest else "",
        )
    first_day, last_day = _days_of(period, bills)
    turnover = shown_turnover(account_id(number), events, first_day, last_day)
    within = [
        event
        for event in in_effective_order(account_id(number), events, law_in_force())
        if first_day <= event.effective_on <= last_day and getattr(event, "period", period) in bills
    ]
    names = {line.service: line.name for event in bills.values() for line in event.lines}
    return {
        "number": number,
        "period": period,
        "bill_number": posted.bill_number or None,
        "issued_on": posted.effective_on.isoformat(),
        "due_on": posted.due_on.isoformat(),
        "first_day": first_day.isoformat(),
        "last_day": last_day.isoformat(),
        "latest": latest,
        "lines": [line_of_bill(line) for line in posted.lines],
        "adjustments": list(_adjustments(within, names)),
        "other_bills": [
            {"period": event.period, "amount": sum(line.payable for line in event.lines)}
            for event in within
            if isinstance(event, ChargesPosted) and event.period != period
        ],
        "penalties": list(_penalties(within)),
        "payments": list(_payments(within)),
        "services": [
            {"service": service, "name": names.get(service, service), **row.as_dict()}
            for service, row in sorted(turnover.rows.items(), key=_services_first)
            if any(row.as_dict().values())
        ],
        "totals": turnover.total.as_dict(),
    }


def _days_of(period: str, bills: Mapping[str, ChargesPosted]) -> tuple[date, date]:
    """Return the first and the last day of a bill's account."""
    first_day = date.fromisoformat(f"{period}-01")
    before = max((month for month in bills if month < period), default=None)
    if before is not None:
        # A bill that was posted long after its month cannot push the next one out of its own.
        ended = _last_day(bills[before])
        first_day = min(ended, _last_day(bills[period]) - timedelta(days=1)) + timedelta(days=1)
    return first_day, _last_day(bills[period])


def _last_day(posted: ChargesPosted) -> date:
    year, month = (int(part) for part in posted.period.split("-"))
    return max(posted.effective_on, date(year, month, monthrange(year, month)[1]))


def _services_first(item: tuple[str, Any]) -> tuple[int, str]:
    name = item[0]
    return {PENALTY: 1, ADVANCE: 2}.get(name, 0), name


def _adjustments(within: Sequence[Any], names: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    for event in within:
        if isinstance(event, ChargesAdjusted):
            yield {
                "period": event.period,
                "effective_on": event.effective_on.isoformat(),
                "reason": event.reason,
                "lines": [
                    {
                        "service": line.service,
                        "name": names.get(line.service, line.service),
                        "amount": line.amount,
                    }
                    for line in event.lines
                ],
            }


def _penalties(within: Sequence[Any]) -> Iterable[dict[str, Any]]:
    for event in within:
        match event:
            case PenaltyAccrued():
                kind, amount, reason = "accrual", event.amount, None
            case PenaltyCorrected():
                kind, amount, reason = "correction", event.amount + event.waived, event.reason
            case PenaltyWrittenOff():
                kind, amount, reason = "write_off", -event.amount, event.reason
            case _:
                continue
        yield {
            "effective_on": event.effective_on.isoformat(),
            "kind": kind,
            "amount": amount,
            "reason": reason,
        }


def _payments(within: Sequence[Any]) -> Iterable[dict[str, Any]]:
    for event in within:
        match event:
            case PaymentPosted():
                amount, penalty = event.amount, event.penalty
            case PaymentReversed():
                amount, penalty = -event.amount, -event.penalty
            case PaymentRefunded():
                penalty = -event.penalty_restored
                amount = -event.amount - penalty
            case _:
                continue
        yield {
            "effective_on": event.effective_on.isoformat(),
            "amount": amount,
            "penalty": penalty,
        }

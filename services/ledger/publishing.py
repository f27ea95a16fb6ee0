"""The ledger's domain events as its public contract (:mod:`shared.contracts.ledger`).

A reader of the bus gets the account number, sums by service and what follows from the event; the
state after it is not repeated here: the position in the log orders everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.ledger.domain import AccountOpened, ChargesPosted, PaymentPosted, PenaltyAccrued
from services.ledger.settlement import Settled
from shared.bus import Publication
from shared.eventstore import Recorded


def publish(recorded: Recorded) -> Publication | None:
    """Answer the public form of a domain event; every event of the ledger has one."""
    event: Any = recorded.event
    subject = str(recorded.originator_id)
    match event:
        case AccountOpened():
            data: dict[str, Any] = {
                "account": event.account,
                "payer_kind": event.payer_kind,
                "opening": [
                    {"service": item.service, "amount": item.amount} for item in event.opening
                ],
            }
            return Publication("account_opened", subject, _dated(data, event))
        case ChargesPosted():
            return Publication("charges_posted", subject, _dated(_charges(event), event))
        case PenaltyAccrued():
            data = {"account": event.account, "amount": event.amount, "rule": event.rule}
            return Publication("penalty_accrued", subject, _dated(data, event))
        case PaymentPosted():
            return Publication("payment_posted", subject, _dated(_payment(event), event))
    return None


def _dated(data: dict[str, Any], event: Any) -> dict[str, Any]:
    return {**data, "effective_on": event.effective_on.isoformat()}


def _charges(event: ChargesPosted) -> dict[str, Any]:
    return {
        "account": event.account,
        "period": event.period,
        "due_on": event.due_on.isoformat(),
        "total": sum(line.payable for line in event.lines),
        "lines": [
            {
                "service": line.service,
                "name": line.name,
                "charged": line.charged,
                "recalculation": line.recalculation,
                "privilege": line.privilege,
                "payable": line.payable,
            }
            for line in event.lines
        ],
        "settled_by_advance": _allocation(event.settled),
    }


def _payment(event: PaymentPosted) -> dict[str, Any]:
    return {
        "account": event.account,
        "payment_id": str(event.payment_id),
        "amount": event.amount,
        "penalty": event.penalty,
        "allocation": _allocation(event.settled),
        "penalty_settled": event.penalty_settled,
        "advance": event.advance,
    }


def _allocation(settled: Sequence[Settled]) -> list[dict[str, Any]]:
    return [
        {"period": part.period, "service": part.service, "amount": part.amount} for part in settled
    ]

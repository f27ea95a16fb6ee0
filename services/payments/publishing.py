"""Domain event -> published event; the contracts are in shared/contracts/payments.py."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.payments.events import (
    MismatchFound,
    MoneyReturned,
    PaymentCaptured,
    PaymentCompleted,
    PaymentExpired,
    PaymentFailed,
    PaymentStarted,
    Split,
)
from services.payments.registers.bank_payment import BankPaymentAccepted
from shared.account_key import FIRST, number_of, tenure_of
from shared.bus import Publication
from shared.contracts.payments import Failure
from shared.eventstore import Recorded


def publish(recorded: Recorded) -> Publication | None:  # noqa: PLR0911 - one for each event
    """Return the published form of a domain event; None for an internal one."""
    match recorded.event:
        case PaymentStarted() as event:
            return _publication("payment_started", recorded, event.person_id, _money(event.lines))
        case PaymentCaptured() as event:
            return _publication(
                "payment_captured",
                recorded,
                event.person_id,
                {
                    **_money(event.lines),
                    "paid_on": event.paid_on.isoformat(),
                    "captured_at": event.captured_at.isoformat(),
                },
            )
        case PaymentFailed() as event:
            reason = {"reason": event.reason}
            return _publication("payment_failed", recorded, event.person_id, reason)
        case PaymentExpired() as event:
            reason = {"reason": Failure.EXPIRED.value}
            return _publication("payment_failed", recorded, event.person_id, reason)
        case PaymentCompleted() as event:
            return _publication("payment_completed", recorded, event.person_id, _money(event.lines))
        case MismatchFound() as event:
            sums = {"ordered": event.ordered, "charged": event.charged}
            return _publication("payment_mismatched", recorded, event.person_id, sums)
        case MoneyReturned() as event if event.lines:
            return _publication("payment_refunded", recorded, event.person_id, _returned(event))
        case BankPaymentAccepted() as event:
            return _accepted(recorded, event)
        case _:
            return None


def _accepted(recorded: Recorded, event: BankPaymentAccepted) -> Publication:
    payment_id = str(recorded.originator_id)
    data = {
        "payment_id": payment_id,
        "account": event.account,
        "amount": event.amount,
        "paid_on": event.paid_on.isoformat(),
        "document": event.document,
    }
    return Publication(type="bank_payment_accepted", subject=payment_id, data=data)


def _returned(event: MoneyReturned) -> dict[str, Any]:
    return {
        "refund_id": str(event.refund_id),
        "lines": [{**_named(line.account), "amount": line.amount} for line in event.lines],
        "total": event.total,
        "refunded_on": event.refunded_on.isoformat(),
        "whole": event.whole,
        "reason": event.cause,
    }


def _publication(
    type_: str, recorded: Recorded, person_id: UUID, data: dict[str, Any]
) -> Publication:
    payment_id = str(recorded.originator_id)
    whose = {"payment_id": payment_id, "person_id": str(person_id)}
    return Publication(type=type_, subject=payment_id, data={**whose, **data})


def _named(key: str) -> dict[str, Any]:
    """Return an account as subscribers know it: its number, and which tenure after the first."""
    number, tenure = number_of(key), tenure_of(key)
    return {"account": number} if tenure == FIRST else {"account": number, "tenure": tenure}


def _money(lines: Split) -> dict[str, Any]:
    return {
        "lines": [
            {**_named(line.account), "amount": line.amount, "penalty": line.penalty}
            for line in lines
        ],
        "total": sum(line.total for line in lines),
    }

"""The ledger's domain events as its public contract (:mod:`shared.contracts.ledger`).

A subscriber gets the account number, sums by service and the consequences of the event, not the
state after it: the position in the log orders everything, and the changes add up to the balance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.ledger.domain.allocation import AllocatedPart
from services.ledger.domain.book import (
    BOOK_STREAMS,
    AccrualBegun,
    AccrualFinished,
    ImportBegun,
    ImportFinished,
    ImportRefused,
    MonthClosed,
)
from services.ledger.domain.double_entry import ADVANCES, PENALTY, postings
from services.ledger.domain.events import (
    AccountClosed,
    AccountOpened,
    AdvanceSettled,
    ChargesAdjusted,
    ChargesPosted,
    OpeningPosted,
    PayerKindChanged,
    PaymentPosted,
    PaymentRefunded,
    PaymentReversed,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltyWrittenOff,
    ServiceAmount,
)
from services.ledger.domain.proposal import (
    APPROVED,
    PROPOSAL_TOPICS,
    REJECTED,
    ProposalApproved,
    ProposalRejected,
)
from shared.account_key import FIRST, number_of, tenure_of
from shared.bus import Publication
from shared.eventstore import Recorded


def publish(recorded: Recorded) -> Publication | None:
    """Return the public form of a domain event; None for those that are internal.

    These are proposals until they are decided, and the digests of commands.
    """
    event: Any = recorded.event
    if event.topic in PROPOSAL_TOPICS:
        return _of_a_proposal(recorded)
    if recorded.originator_id in BOOK_STREAMS:
        return _of_the_book(recorded)
    name, data = _public(event)
    data = {
        **_named(account=number_of(event.account), tenure=tenure_of(event.account)),
        **data,
        "effective_on": event.effective_on.isoformat(),
        "change": _change(event),
    }
    return Publication(name, str(recorded.originator_id), data)


def _of_a_proposal(recorded: Recorded) -> Publication | None:
    """Return the public form of what becomes of a proposal: neither by whom nor why."""
    proposal_id = str(recorded.originator_id)
    data = {"proposal_id": proposal_id}
    match recorded.event:
        case ProposalApproved():
            data["decision"] = APPROVED
        case ProposalRejected(withdrawn=True):
            return Publication("correction_withdrawn", proposal_id, data)
        case ProposalRejected():
            data["decision"] = REJECTED
        case _:
            return None
    return Publication("correction_decided", proposal_id, data)


def _of_the_book(recorded: Recorded) -> Publication | None:
    """Return the public form of an event of the book: without names, reasons and file names."""
    data = _decision(recorded.event)
    if data is None:
        return None
    return Publication(recorded.event.topic.split(".")[1], str(recorded.originator_id), data)


def _decision(event: Any) -> dict[str, Any] | None:  # noqa: PLR0911 - one for each event
    match event:
        case MonthClosed():
            return {"period": event.period}
        case ImportBegun():
            return {**_file(event), "kind": event.kind, "size": event.size}
        case ImportFinished():
            return {
                **_file(event),
                "entries": event.entries,
                "refused_rows": event.refused_rows,
            }
        case ImportRefused():
            return {**_file(event), "refused_rows": event.refused_rows}
        case AccrualBegun():
            return _run(event)
        case AccrualFinished():
            return {
                **_run(event),
                "accounts": event.accounts,
                "changed": event.changed,
                "refused": event.refused,
                "added": event.added,
                "taken_back": event.taken_back,
            }
    return None


def _file(event: ImportBegun | ImportFinished | ImportRefused) -> dict[str, Any]:
    return {"file_digest": event.digest, "attempt": event.attempt}


def _run(event: AccrualBegun | AccrualFinished) -> dict[str, Any]:
    return {"run_id": str(event.run_id), "on": event.on.isoformat(), "rules": event.rules}


def _public(event: Any) -> tuple[str, dict[str, Any]]:  # noqa: PLR0911, PLR0912 - one each
    match event:
        case AccountOpened():
            opening = _sums(event.opening)
            return "account_opened", {"payer_kind": event.payer_kind, "opening": opening}
        case OpeningPosted():
            return "opening_posted", {
                "opening": _sums(event.opening),
                "allocated_from_advance": _allocation(event.allocation),
            }
        case ChargesPosted():
            return "charges_posted", _charges(event)
        case ChargesAdjusted():
            return "charges_adjusted", _adjustment(event)
        case PenaltyAccrued():
            return "penalty_accrued", {"amount": event.amount, "rule": event.rule}
        case PenaltyCorrected():
            return "penalty_corrected", {
                "amount": event.amount,
                "rule": event.rule,
                # Negative: a waiver that was lowered holds again. Its `change` has it.
                "waived": max(0, event.waived),
                "advance": event.advance,
            }
        case PenaltyWrittenOff():
            return "penalty_written_off", {"amount": event.amount}
        case PaymentPosted():
            return "payment_posted", _payment(event)
        case PaymentReversed():
            return "payment_reversed", _reversal(event)
        case PaymentRefunded():
            return "payment_refunded", _refund(event)
        case PayerKindChanged():
            return "payer_kind_changed", {"payer_kind": event.payer_kind}
        case AdvanceSettled():
            return "advance_settled", {}
        case AccountClosed():
            return "account_closed", {}
    raise TypeError(f"no contract for {type(event).__name__}")


def _named(**names: str | int) -> dict[str, Any]:
    """Return an account as subscribers know it: its number, and which tenure after the first."""
    return {name: value for name, value in names.items() if value != FIRST}


def _moved_to(key: str | None) -> dict[str, Any]:
    return _named(moved_to=number_of(key), moved_to_tenure=tenure_of(key)) if key else {}


def _moved_from(key: str | None) -> dict[str, Any]:
    return _named(moved_from=number_of(key), moved_from_tenure=tenure_of(key)) if key else {}


def _change(event: Any) -> dict[str, int]:
    """Return what an event adds to the balance of its account."""
    change = {"principal": 0, "penalty": 0, "advance": 0}
    for name, amount in postings(event):
        if name == PENALTY:
            change["penalty"] += amount
        elif name == ADVANCES:
            change["advance"] -= amount
        elif name.startswith("receivable:"):
            change["principal"] += amount
    return change


def _sums(items: Sequence[ServiceAmount]) -> list[dict[str, Any]]:
    return [{"service": item.service, "amount": item.amount} for item in items]


def _adjustment(event: ChargesAdjusted) -> dict[str, Any]:
    return {
        "adjustment_id": str(event.adjustment_id),
        "period": event.period,
        "lines": _sums(event.lines),
        "released": _allocation(event.released),
        "advance": event.advance,
        "allocated_from_advance": _allocation(event.allocation),
    }


def _reversal(event: PaymentReversed) -> dict[str, Any]:
    return {
        "payment_id": str(event.payment_id),
        "amount": event.amount,
        "penalty": event.penalty,
        **_taken_back(event),
        **_moved_to(event.moved_to),
    }


def _refund(event: PaymentRefunded) -> dict[str, Any]:
    return {
        "payment_id": str(event.payment_id),
        "refund_id": str(event.refund_id),
        "amount": event.amount,
        **_taken_back(event),
    }


def _taken_back(event: PaymentReversed | PaymentRefunded) -> dict[str, Any]:
    return {
        "restored": _allocation(event.restored),
        "penalty_restored": event.penalty_restored,
        "advance_taken": event.advance_taken,
        "reopened": _allocation(event.reopened),
    }


def _charges(event: ChargesPosted) -> dict[str, Any]:
    return {
        "period": event.period,
        "due_on": event.due_on.isoformat(),
        "total": sum(line.payable for line in event.lines),
        "lines": [
            {
                "service": line.service,
                "name": line.name,
                "charged": line.charged,
                "recalculation": line.recalculation,
                "concession": line.concession,
                "payable": line.payable,
            }
            for line in event.lines
        ],
        "allocated_from_advance": _allocation(event.allocation),
    }


def _payment(event: PaymentPosted) -> dict[str, Any]:
    return {
        "payment_id": str(event.payment_id),
        "amount": event.amount,
        "penalty": event.penalty,
        "allocation": _allocation(event.allocation),
        "penalty_allocated": event.penalty_allocated,
        "advance": event.advance,
        **_moved_from(event.moved_from),
    }


def _allocation(allocation: Sequence[AllocatedPart]) -> list[dict[str, Any]]:
    return [
        {"period": part.period, "service": part.service, "amount": part.amount}
        for part in allocation
    ]

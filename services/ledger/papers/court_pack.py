"""The pack for a court: what an account owed by what was recorded by an instant, and the proof.

Everything comes from events recorded by then, from the rules by which the account was accrued then,
and from the checkpoint that was the first to cover them. So the same instant gives the same pack,
however much is recorded after it. Old checkpoints are thinned: where the first is gone, a pack that
was made before has it attached.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from services.ledger.domain import Account
from services.ledger.domain.events import (
    AccountOpened,
    OpeningPosted,
    PaymentPosted,
    PaymentRefunded,
    PaymentReversed,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltyWrittenOff,
)
from services.ledger.papers.reconciliation import (
    names_of_services,
    services_first,
    with_columns,
)
from services.ledger.papers.sealed_events import sealed_events
from services.ledger.penalties.accrual import penalties
from services.ledger.penalties.calculator import ChargePenalty
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.reports.history import in_order_of_effect
from services.ledger.reports.statements import movement, recorded_events
from services.ledger.reports.turnover import Row, Turnover
from services.ledger.seal.checkpoint import VerifierKey
from shared.errors import Conflict, NotFound, ValidationFailed
from shared.eventstore import Recorded, Session

_ACCRUED = (PenaltyAccrued, PenaltyCorrected)


def court_pack(
    session: Session,
    number: str,
    as_of: datetime,
    first_day: date | None,
    law: PenaltyLaw,
    trusted: Sequence[VerifierKey],
    note: str | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what a pack says, and the inclusion proofs of the account's events.

    Its sums are of the end of the day of the instant; its statement begins with ``first_day``, or
    with the account; ``note`` is the checkpoint of an earlier pack. Raises NotFound
    ``account_not_found``, ``not_sealed_yet``, ValidationFailed ``invalid_instant``,
    ``invalid_days``, Conflict ``penalty_not_accrued``, ``other_penalty_rules``, and as
    `sealed_events`.
    """
    recorded = _recorded_by(session, number, as_of)
    day = session.clock.day_of(as_of)
    account = _account(recorded, law)
    debts = penalties(account, day, law)
    _check_rules(recorded, debts, law)
    effective = [
        one for one in in_order_of_effect(recorded, law) if _event(one).effective_on <= day
    ]
    first = first_day or min([_event(one).effective_on for one in effective], default=day)
    if first > day:
        raise ValidationFailed("invalid_days", "The first day is after that of the instant.")
    names = names_of_services({one.position: one.event for one in recorded})
    log, proofs = sealed_events(session.cursor, recorded, trusted, note)
    return {
        "number": number,
        "as_of": as_of.astimezone(UTC).isoformat(),
        "day": day.isoformat(),
        "first_day": first.isoformat(),
        "payer_kind": account.payer_kind,
        "rules": law.version if any(debt.total for debt in debts) else "",
        **_owed(account, day, debts),
        "debts": [_debt(debt) for debt in debts],
        **_statement(account, effective, first, day, names),
        "accruals": [_accrual(one) for one in recorded if _is_accrual(one, day)],
        "payments": [_payment(one, names) for one in effective if _is_payment(one)],
        "log": log,
    }, proofs


def _recorded_by(session: Session, number: str, as_of: datetime) -> list[Recorded]:
    if as_of > session.now:
        raise ValidationFailed(
            "invalid_instant", "The instant is still to come: what it will have is not known yet."
        )
    recorded = [one for one in recorded_events(session, number) if one.recorded_at <= as_of]
    if not recorded:
        raise NotFound("account_not_found", "Nothing of the account had been recorded by then.")
    return recorded


def _account(recorded: Sequence[Recorded], law: PenaltyLaw) -> Account:
    account = Account(recorded[0].originator_id)
    for one in recorded:
        account.replay(one.event)
    account.law = law
    return account


def _check_rules(
    recorded: Sequence[Recorded], debts: Sequence[ChargePenalty], law: PenaltyLaw
) -> None:
    """Raise Conflict unless the rules at hand are those by which the account was accrued last."""
    events = [one.event for one in reversed(recorded)]
    then = next(
        (event.rule for event in events if isinstance(event, _ACCRUED) and event.segments), None
    )
    if then is None and any(debt.total for debt in debts):
        raise Conflict(
            "penalty_not_accrued",
            "No penalty of the account had been accrued by then, so nothing says which rules were "
            "in force: run `saldo ledger accrue`, and take a later instant.",
        )
    if then is not None and then != law.version:
        raise Conflict(
            "other_penalty_rules",
            f"The penalty of the account was last accrued by the rules {then}, those at hand are "
            f"{law.version}: name the file of the former by --rules, or accrue by the latter and "
            "take a later instant.",
            then=then,
            now=law.version,
        )


def _owed(account: Account, day: date, debts: Sequence[ChargePenalty]) -> dict[str, Any]:
    """Return the debt at the end of a day, and how its penalty comes about."""
    settled = account.settlement(day)
    principal = sum(sum(owed.values()) for owed in settled.open.values())
    penalty = max(0, settled.penalty_owed(day))
    return {
        "debt": {
            "principal": principal,
            "penalty": penalty,
            "advance": settled.advance,
            "total": principal + penalty - settled.advance,
        },
        "penalty": {
            "by_rules": sum(debt.total for debt in debts),
            "paid": settled.penalty_paid,
            "waived": settled.waived,
            "owed": penalty,
            "provisional": any(debt.provisional for debt in debts),
        },
    }


def _statement(
    account: Account,
    effective: Sequence[Recorded],
    first: date,
    day: date,
    names: dict[str, str],
) -> dict[str, Any]:
    replayed, movements, turnover = Account(account.id), [], Turnover(first, day)
    for one in effective:
        replayed.replay(one.event)
        taken_over = isinstance(one.event, AccountOpened | OpeningPosted)
        if _event(one).effective_on >= first and not taken_over:
            movements.append(with_columns(movement(one, replayed), one.event))
    turnover.add([one.event for one in effective])
    rows = {service: row.as_dict() for service, row in turnover.rows.items()}
    return {
        "movements": movements,
        "services": [
            {"service": service, "name": names.get(service, service), **row}
            for service, row in sorted(rows.items(), key=services_first)
            if any(row.values())
        ],
        "totals": {column: sum(row[column] for row in rows.values()) for column in Row().as_dict()},
    }


def _debt(debt: ChargePenalty) -> dict[str, Any]:
    bases = list(dict.fromkeys(basis for segment in debt.segments for basis in segment.basis))
    return {
        "period": debt.period,
        "payer_kind": debt.payer,
        "due_on": debt.due_on.isoformat(),
        "principal": debt.principal,
        "unpaid": debt.unpaid,
        "total": debt.total,
        "basis": bases,
        "segments": [
            {
                "first_day": segment.first_day.isoformat(),
                "last_day": segment.last_day.isoformat(),
                "days": segment.days,
                "base": segment.base,
                "rate": "" if segment.rate is None else f"{segment.rate:f}",
                "divisor": segment.divisor or 0,
                "amount": segment.amount,
                "reason": segment.reason,
                "basis": [bases.index(basis) for basis in segment.basis],
            }
            for segment in debt.segments
        ],
    }


def _is_accrual(one: Recorded, day: date) -> bool:
    known = (*_ACCRUED, PenaltyWrittenOff)
    return isinstance(one.event, known) and _event(one).effective_on <= day


def _accrual(one: Recorded) -> dict[str, Any]:
    event = _event(one)
    waived = isinstance(event, PenaltyWrittenOff)
    return {
        "position": one.position,
        "effective_on": event.effective_on.isoformat(),
        "through": "" if waived else event.through.isoformat(),
        "rule": "" if waived else event.rule,
        "reason": getattr(event, "reason", ""),
        "amount": -event.amount if waived else event.amount,
    }


def _is_payment(one: Recorded) -> bool:
    return isinstance(one.event, PaymentPosted | PaymentReversed | PaymentRefunded)


def _payment(one: Recorded, names: dict[str, str]) -> dict[str, Any]:
    """Return a payment with what it paid on its day, or what a reversal or a refund took back."""
    event = _event(one)
    is_paid = isinstance(event, PaymentPosted)
    parts = event.allocation if is_paid else (*event.restored, *event.reopened)
    sign = 1 if is_paid else -1
    return {
        "position": one.position,
        "effective_on": event.effective_on.isoformat(),
        "payment_id": str(event.payment_id),
        "is_reversal": isinstance(event, PaymentReversed),
        "is_refund": isinstance(event, PaymentRefunded),
        "amount": sign * (event.amount + getattr(event, "penalty", 0)),
        "parts": [
            {
                "name": names.get(part.service, part.service),
                "period": part.period,
                "amount": sign * part.amount,
            }
            for part in parts
        ],
        "penalty": sign * (event.penalty_allocated if is_paid else event.penalty_restored),
        "ahead": sign * (event.advance if is_paid else event.advance_taken),
    }


def _event(one: Recorded) -> Any:
    return one.event

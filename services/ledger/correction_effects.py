"""What a correction does to its accounts, and the money that it moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from uuid import UUID

import msgspec

from services.ledger.domain import Account
from services.ledger.domain.events import ServiceAmount
from services.ledger.domain.proposal import (
    AdjustCharges,
    Correction,
    MovePayment,
    ReversePayment,
    WriteOffPenalty,
)
from services.ledger.penalties.calendar import recalculation_due
from services.ledger.penalties.law import law_in_force
from shared.errors import NotFound, ValidationFailed
from shared.eventstore import Session
from shared.money import Kopecks

Load = Callable[[str], Account]


def check_billed(account: Account, period: str, lines: Sequence[ServiceAmount]) -> None:
    """Refuse a deduction from a service that the month has no charge for: it is a typing error.

    Raises ValidationFailed ``service_not_billed``; the account refuses a month without a bill.
    """
    if period not in account.bills:
        return
    billed = account.billed(period)
    for line in lines:
        if line.amount < 0 and line.service not in billed:
            raise ValidationFailed(
                "service_not_billed",
                f"The bill of {period} has no {line.service}; it has {', '.join(sorted(billed))}.",
                service=line.service,
            )


def adjustment_due(account: Account, period: str, on: date) -> date | None:
    """Return until when what an adjustment adds is paid in time, as the operator chose.

    None for a month without a bill, which the account refuses.
    """
    if period not in account.bills:
        return None
    bill = account.bills[period][1]
    return recalculation_due(max(on, bill.effective_on), bill.due_on, law_in_force().rules)


class Making(msgspec.Struct, frozen=True):
    """A correction on the day on which it is made, with how it loads its accounts."""

    load: Load
    today: date


def make(
    correction_id: UUID,
    correction: Correction,
    reason: str,
    numbers: Sequence[str],
    making: Making,
) -> Sequence[Account]:
    """Make a correction; return the accounts that it has changed."""
    on = correction.effective_on or making.today
    if on > making.today:
        raise ValidationFailed("invalid_day", "A correction takes effect today or earlier.")
    if isinstance(correction, MovePayment):
        source, to = [making.load(number) for number in numbers]
        moved = source.move_payment(correction.payment_id, to, on, reason)
        return [source, to] if moved else []
    changed = []
    for number in numbers:
        account = making.load(number)
        match correction:
            case AdjustCharges():
                check_billed(account, correction.period, correction.lines)
                done = account.adjust_charges(
                    correction_id,
                    correction.period,
                    on,
                    correction.lines,
                    reason,
                    due_on=adjustment_due(account, correction.period, on),
                )
            case ReversePayment():
                done = account.reverse_payment(correction.payment_id, on, reason)
            case WriteOffPenalty():
                account.write_off_penalty(correction.amount, on, reason)
                done = True
        if done:
            changed.append(account)
    return changed


def accounts_of(session: Session, correction: Correction) -> Sequence[str]:
    """Return the accounts that a correction may change; of a move, where from and where to."""
    if isinstance(correction, MovePayment):
        if correction.account == correction.to_account:
            raise ValidationFailed("same_account", "A payment is moved to another account.")
        return correction.account, correction.to_account
    if not isinstance(correction, ReversePayment):
        return (correction.account,)
    if correction.accounts:
        return correction.accounts
    posted = session.read.postings_of(correction.payment_id)
    if not posted:
        raise NotFound("payment_not_posted", "This payment is not in the ledger.")
    return [row["account"] for row in posted]


def amount_on(correction: Correction, account: Account) -> Kopecks:
    """Return the money that a correction moves on an account, whatever its sign."""
    match correction:
        case AdjustCharges():
            return sum(abs(line.amount) for line in correction.lines)
        case WriteOffPenalty():
            return correction.amount
        case ReversePayment():
            return account.left_of(correction.payment_id)
        case MovePayment():
            # What comes to the other account is the same money.
            from_here = account.number == correction.account
            return account.left_of(correction.payment_id) if from_here else 0

"""Corrections by staff: adjust a bill, reverse a payment, write off a penalty.

A correction of more money than one person may move is proposed instead, and made when a second
one approves it (:mod:`services.ledger.domain.proposal`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ServiceAmount
from services.ledger.domain.proposal import (
    OPEN,
    AdjustCharges,
    Correction,
    Proposal,
    ProposalMade,
    ReversePayment,
    WriteOffPenalty,
)
from services.ledger.tables.closed_periods import check_open
from shared import context
from shared.errors import NotFound, ValidationFailed
from shared.eventstore import Session
from shared.money import Kopecks


class Correct(msgspec.Struct, frozen=True, kw_only=True):
    """Make a correction, or propose it; it is made once by its ``correction_id``."""

    correction_id: UUID
    correction: Correction
    reason: str


class Approve(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Approve and make a proposed correction; ``reason`` is added by the second person."""

    proposal_id: UUID
    reason: str = ""


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """Reject a proposed correction, or withdraw one's own."""

    proposal_id: UUID
    reason: str


Load = Callable[[str], Account]


def correct_within(limit: Kopecks) -> Callable[[Session, Correct], dict[str, Any]]:
    """Return the use case of corrections where one person may move up to ``limit`` kopecks.

    It returns ``state`` (``done``, ``proposed`` or, where there was nothing left to do,
    ``unchanged``), the amount, and the accounts after it. It raises what the domain refuses, also
    for what would only be proposed.
    """

    def correct(session: Session, command: Correct) -> dict[str, Any]:
        changed, amount = _try(session, command)
        if not changed:
            return _result("unchanged", command.correction_id, amount, ())
        if amount > limit:
            session.load(Proposal, command.correction_id).make(
                command.correction,
                tuple(account.number for account in changed),
                amount,
                command.reason,
                context.current().actor,
            )
            return _result("proposed", command.correction_id, amount, _current(session, changed))
        made = _make(
            command,
            lambda number: session.load(Account, account_id(number)),
            _accounts(session, command.correction),
            session.today,
        )
        if not made:
            # Somebody else made it since the trial.
            return _result("unchanged", command.correction_id, 0, ())
        return _result("done", command.correction_id, amount, made)

    return correct


def preview(session: Session, command: Correct, limit: Kopecks) -> dict[str, Any]:
    """Return what a correction would do, without doing it; raises as it would."""
    changed, amount = _try(session, command)
    state = "unchanged" if not changed else "proposed" if amount > limit else "done"
    return {
        **_result("dry_run", command.correction_id, amount, changed),
        "would_be": state,
        "before": [_balance(account) for account in _current(session, changed)],
    }


def approve(session: Session, command: Approve) -> dict[str, Any]:
    """Make a proposed correction, approved by a second person.

    Raises NotFound ``proposal_not_found``, Conflict ``proposal_decided``, Forbidden
    ``second_person_needed``, and what the domain refuses today.
    """
    proposal = _proposal(session, command.proposal_id)
    made = proposal.approve(context.current().actor, command.reason)
    _check_open(session, made.correction)
    accounts = _make(
        Correct(correction_id=command.proposal_id, correction=made.correction, reason=made.reason),
        lambda number: session.load(Account, account_id(number)),
        made.accounts,
        session.today,
    )
    return _result("approved", command.proposal_id, made.amount, accounts)


def preview_approval(session: Session, proposal_id: UUID, by: str) -> dict[str, Any]:
    """Return what an approval would do today, without doing it; raises as it would."""
    made = _copy_of_proposal(session, proposal_id).approve(by)
    command = Correct(correction_id=proposal_id, correction=made.correction, reason=made.reason)
    return preview(session, command, made.amount)


def preview_rejection(session: Session, command: Reject, by: str) -> dict[str, Any]:
    """Return what a rejection would do, without doing it; raises as it would."""
    proposal = _copy_of_proposal(session, command.proposal_id)
    proposal.reject(by, command.reason)
    amount = proposal.made.amount if proposal.made else 0
    return {**_result("dry_run", command.proposal_id, amount, ()), "would_be": "rejected"}


def reject(session: Session, command: Reject) -> dict[str, Any]:
    """Reject a proposed correction; raises as approve does, but any person may reject."""
    proposal = _proposal(session, command.proposal_id)
    proposal.reject(context.current().actor, command.reason)
    amount = proposal.made.amount if proposal.made else 0
    return _result("rejected", command.proposal_id, amount, ())


def proposals(session: Session, state: str | None = OPEN) -> list[dict[str, Any]]:
    """Return the proposals in a state (None: all), oldest first."""
    return list(session.read.proposals(state))


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


def _check_open(session: Session, correction: Correction) -> None:
    check_open(correction.effective_on or session.today, session.read.closed_through())


def _proposal(session: Session, proposal_id: UUID) -> Proposal:
    _copy_of_proposal(session, proposal_id)
    return session.load(Proposal, proposal_id)


def _copy_of_proposal(session: Session, proposal_id: UUID) -> Proposal:
    """Return a copy of a proposal for a trial: its events are not recorded."""
    # Any id may be given, even that of an account's stream.
    history = session.history(proposal_id)
    if not history or not isinstance(history[0].event, ProposalMade):
        raise NotFound("proposal_not_found", "There is no such proposal.")
    proposal = Proposal(proposal_id)
    for recorded in history:
        proposal.replay(recorded.event)
    return proposal


def _try(session: Session, command: Correct) -> tuple[Sequence[Account], Kopecks]:
    """Make a correction on copies of its accounts; return those it changes, and the amount."""
    amount, numbers = 0, _accounts(session, command.correction)
    before = {number: _copy(session, number) for number in numbers}
    for account in before.values():
        amount += _amount(command.correction, account)
    _check_open(session, command.correction)
    changed = _make(command, before.__getitem__, numbers, session.today)
    return changed, amount


def _make(command: Correct, load: Load, numbers: Sequence[str], today: date) -> Sequence[Account]:
    """Make a correction; return the accounts that it has changed."""
    correction, reason = command.correction, command.reason
    on = correction.effective_on or today
    if on > today:
        raise ValidationFailed("invalid_day", "A correction takes effect today or earlier.")
    changed = []
    for number in numbers:
        account = load(number)
        match correction:
            case AdjustCharges():
                check_billed(account, correction.period, correction.lines)
                done = account.adjust_charges(
                    command.correction_id, correction.period, on, correction.lines, reason
                )
            case ReversePayment():
                done = account.reverse_payment(correction.payment_id, on, reason)
            case WriteOffPenalty():
                account.write_off_penalty(correction.amount, on, reason)
                done = True
        if done:
            changed.append(account)
    return changed


def _accounts(session: Session, correction: Correction) -> Sequence[str]:
    if not isinstance(correction, ReversePayment):
        return (correction.account,)
    if correction.accounts:
        return correction.accounts
    posted = session.read.postings_of(correction.payment_id)
    if not posted:
        raise NotFound("payment_not_posted", "This payment is not in the ledger.")
    return [row["account"] for row in posted]


def _amount(correction: Correction, account: Account) -> Kopecks:
    """Return the money that a correction moves on an account, whatever its sign."""
    match correction:
        case AdjustCharges():
            return sum(abs(line.amount) for line in correction.lines)
        case WriteOffPenalty():
            return correction.amount
        case ReversePayment():
            _, payment = account.payments.get(correction.payment_id, (0, None))
            if payment is None or correction.payment_id in account.reversed:
                return 0
            return payment.amount + payment.penalty


def _copy(session: Session, number: str) -> Account:
    account = Account(account_id(number))
    for recorded in session.history(account.id):
        account.replay(recorded.event)
    if not account.version:
        raise NotFound(
            "account_not_found", "There is no such account in the ledger.", account=number
        )
    return account


def _current(session: Session, accounts: Sequence[Account]) -> Sequence[Account]:
    return [_copy(session, account.number) for account in accounts]


def _result(
    state: str, correction_id: UUID, amount: Kopecks, accounts: Sequence[Account]
) -> dict[str, Any]:
    return {
        "state": state,
        "correction_id": str(correction_id),
        "amount": amount,
        "accounts": [_balance(account) for account in accounts],
    }


def _balance(account: Account) -> dict[str, Any]:
    return {
        "number": account.number,
        "principal": account.principal,
        "penalty": account.penalty,
        "advance": account.advance,
    }

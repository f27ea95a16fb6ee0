"""Corrections by staff: adjust a bill, reverse or move a payment, write off a penalty.

A correction of more money than its author may still move today (:mod:`services.ledger.limits`) is
proposed instead, and made when a second person approves it
(:mod:`services.ledger.domain.proposal`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.correction_effects import Making, accounts_of, amount_on, make
from services.ledger.domain import Account, account_id
from services.ledger.domain.proposal import (
    OPEN,
    AdjustCharges,
    Correction,
    Proposal,
    ProposalMade,
)
from services.ledger.limits import (
    STAFF,
    Allowance,
    allowance,
    check_may,
    may,
    permission_for,
)
from services.ledger.loading import load_account, under_the_law
from services.ledger.previews import changed_lines, changes, replayed, sums_of
from services.ledger.tables.closed_periods import check_open
from services.ledger.tables.staff_movements import APPROVE
from shared import context
from shared.errors import Forbidden, NotFound, ServiceError
from shared.eventstore import Session
from shared.money import Kopecks


class Correct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Make a correction, or propose it; it is made once by its ``correction_id``.

    ``propose``: also what its author may move alone awaits a second person.
    """

    correction_id: UUID
    correction: Correction
    reason: str
    propose: bool = False


class Approve(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Approve and make a proposed correction; ``reason`` is added by the second person."""

    proposal_id: UUID
    reason: str = ""


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """Reject a proposed correction, or withdraw one's own."""

    proposal_id: UUID
    reason: str


def correct(session: Session, command: Correct) -> dict[str, Any]:
    """Make a correction; propose it, where it is more than its author may still move today.

    Returns ``state`` (``done``, ``proposed`` or, where there was nothing left to do,
    ``unchanged``), the amount, and the accounts after it. Raises Forbidden ``staff_may_not``, and
    what the domain refuses, also for what would only be proposed.
    """
    actor, permission = context.current().actor, permission_for(command.correction)
    check_may(session, actor, permission)
    changed, amount = _try(session, command)
    if not changed:
        return _result("unchanged", command.correction_id, amount, ())
    session.read.hold_movements()
    left = allowance(session, actor, permission)
    numbers = tuple(account.number for account in changed)
    if command.propose or not left.covers(amount):
        session.load(Proposal, command.correction_id).make(
            command.correction, numbers, amount, command.reason, actor
        )
        return _result("proposed", command.correction_id, amount, _current(session, changed))
    made = _make(session, command.correction_id, command, numbers)
    if not made:
        # Somebody else made it since the trial.
        return _result("unchanged", command.correction_id, 0, ())
    left.use(session, command.correction_id, amount)
    return _result("done", command.correction_id, amount, made)


def preview(session: Session, command: Correct) -> dict[str, Any]:
    """Return what a correction would do, without doing it; raises as it would."""
    left = allowance(session, context.current().actor, permission_for(command.correction))
    changed, amount = _try(session, command)
    alone = left.covers(amount) and not command.propose
    would_be = "unchanged" if not changed else "done" if alone else "proposed"
    return _preview(session, command, would_be, amount, changed)


def approve(session: Session, command: Approve) -> dict[str, Any]:
    """Make a proposed correction, approved by a second person.

    Raises NotFound ``proposal_not_found``, Conflict ``proposal_decided`` or
    ``author_not_verified``, Forbidden ``staff_may_not``, ``second_person_needed``,
    ``author_may_not`` or ``above_limit``, and what the domain refuses today.
    """
    actor = context.current().actor
    check_may(session, actor, APPROVE)
    session.read.hold_movements()
    proposal = _proposal(session, command.proposal_id)
    made = proposal.approve(actor, command.reason)
    left = _check_approval(session, made, actor)
    _check_open(session, made.correction)
    accounts = _make(session, command.proposal_id, made, made.accounts)
    left.use(session, command.proposal_id, made.amount)
    return _result("approved", command.proposal_id, made.amount, accounts)


def preview_approval(session: Session, command: Approve) -> dict[str, Any]:
    """Return what an approval would do today, without doing it; raises as it would."""
    actor, proposal_id = context.current().actor, command.proposal_id
    check_may(session, actor, APPROVE)
    made = _copy_of_proposal(session, proposal_id).approve(actor)
    _check_approval(session, made, actor)
    correction = Correct(correction_id=proposal_id, correction=made.correction, reason=made.reason)
    changed, amount = _try(session, correction)
    return _preview(session, correction, "done" if changed else "unchanged", amount, changed)


def reject(session: Session, command: Reject) -> dict[str, Any]:
    """Reject a proposed correction, or withdraw one's own; raises as `approve` does."""
    actor = context.current().actor
    proposal = _proposal(session, command.proposal_id)
    _check_rejection(session, proposal, actor)
    proposal.reject(actor, command.reason)
    amount = proposal.made.amount if proposal.made else 0
    return _result("rejected", command.proposal_id, amount, ())


def preview_rejection(session: Session, command: Reject) -> dict[str, Any]:
    """Return what a rejection would do, without doing it; raises as it would."""
    actor = context.current().actor
    proposal = _copy_of_proposal(session, command.proposal_id)
    _check_rejection(session, proposal, actor)
    proposal.reject(actor, command.reason)
    amount = proposal.made.amount if proposal.made else 0
    return {**_result("dry_run", command.proposal_id, amount, ()), "would_be": "rejected"}


def proposals(
    session: Session, state: str | None = OPEN, after: int = 0, limit: int | None = None
) -> list[dict[str, Any]]:
    """Return the proposals in a state (None: all) after a position of the log, oldest first."""
    return list(session.read.proposals(state, after, limit))


def shown_proposal(session: Session, proposal_id: UUID) -> dict[str, Any]:
    """Return a proposal with a ``preview`` of what it would change today.

    ``preview`` is as `preview` returns the sums and lines, ``{refused: {code, message, params}}``
    for what the domain refuses today, and None once it is decided. Raises NotFound
    ``proposal_not_found``.
    """
    row = session.read.proposal(proposal_id)
    if row is None:
        raise NotFound("proposal_not_found", "There is no such proposal.")
    return {**row, "preview": _previewed(session, proposal_id)}


def _previewed(session: Session, proposal_id: UUID) -> dict[str, Any] | None:
    proposal = _copy_of_proposal(session, proposal_id)
    if proposal.state != OPEN or proposal.made is None:
        return None
    made = proposal.made
    command = Correct(correction_id=proposal_id, correction=made.correction, reason=made.reason)
    try:
        changed, _ = _try(session, command)
    except ServiceError as error:
        refused = {"code": error.code, "message": error.message, "params": error.params}
        return {"refused": refused}
    return _changes(session, made.correction, changed)


def _check_approval(session: Session, made: ProposalMade, actor: str) -> Allowance:
    """Return what the second person may still approve today; both must have their permission."""
    if not may(session, made.by, permission_for(made.correction)):
        raise Forbidden(
            "author_may_not",
            f"{made.by.removeprefix(STAFF)}, who proposed it, may no longer do so: reject it, and "
            "propose it again.",
        )
    left = allowance(session, actor, APPROVE)
    left.check(made.amount)
    return left


def _check_rejection(session: Session, proposal: Proposal, actor: str) -> None:
    """Let an author withdraw his own proposal, whatever else he may still do."""
    if proposal.made is None or proposal.made.by != actor:
        check_may(session, actor, APPROVE)


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
    amount, numbers = 0, accounts_of(session, command.correction)
    before = {number: _copy(session, number) for number in numbers}
    for account in before.values():
        amount += amount_on(command.correction, account)
    _check_open(session, command.correction)
    making = Making(before.__getitem__, session.today)
    changed = make(command.correction_id, command.correction, command.reason, numbers, making)
    return changed, amount


def _make(
    session: Session,
    correction_id: UUID,
    asked: Correct | ProposalMade,
    numbers: Sequence[str],
) -> Sequence[Account]:
    making = Making(lambda number: load_account(session, number), session.today)
    return make(correction_id, asked.correction, asked.reason, numbers, making)


def _copy(session: Session, number: str) -> Account:
    id_ = account_id(number)
    account = replayed(id_, (recorded.event for recorded in session.history(id_)))
    if not account.version:
        raise NotFound(
            "account_not_found", "There is no such account in the ledger.", account=number
        )
    return under_the_law(session, account)


def _current(session: Session, accounts: Sequence[Account]) -> Sequence[Account]:
    return [_copy(session, account.number) for account in accounts]


def _result(
    state: str, correction_id: UUID, amount: Kopecks, accounts: Sequence[Account]
) -> dict[str, Any]:
    return {
        "state": state,
        "by": context.current().actor,
        "correction_id": str(correction_id),
        "amount": amount,
        "accounts": [sums_of(account) for account in accounts],
    }


def _preview(
    session: Session,
    command: Correct,
    would_be: str,
    amount: Kopecks,
    accounts: Sequence[Account],
) -> dict[str, Any]:
    return {
        **_result("dry_run", command.correction_id, amount, accounts),
        "would_be": would_be,
        **_changes(session, command.correction, accounts),
    }


def _changes(
    session: Session, correction: Correction, changed: Sequence[Account]
) -> dict[str, Any]:
    """Return what a correction has changed on copies of accounts."""
    before, lines = _current(session, changed), list[dict[str, Any]]()
    if isinstance(correction, AdjustCharges):
        for old, new in zip(before, changed, strict=True):
            lines += changed_lines(old, new, correction.period)
    sums = changes([sums_of(account) for account in before], [sums_of(new) for new in changed])
    return {**sums, "lines": lines}

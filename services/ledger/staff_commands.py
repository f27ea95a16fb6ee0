"""What staff command by RPC: each once, by an id that is derived here from its content.

A caller chooses no id: under one of his choice he could take the place of somebody else's command,
or of another stream of the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec.structs import replace

from services.ledger.corrections import (
    Approve,
    Correct,
    Reject,
    approve,
    correct,
    preview,
    preview_approval,
    preview_rejection,
    reject,
    shown_proposal,
)
from services.ledger.domain.proposal import Correction, MovePayment, ReversePayment
from services.ledger.tables.closed_periods import close_period
from services.ledger.tenures import named_key, paid_key, paid_keys
from shared import context
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from shared.ids import NAMESPACE, derived_id

C = TypeVar("C")


def make_correction(
    store: PostgresStore,
    correction: Correction,
    reason: str,
    key: str | None,
    *,
    dry_run: bool,
    propose: bool = False,
) -> dict[str, Any]:
    """Make or propose a correction as the actor; see `corrections.correct`.

    The same correction for the same reason is made once, whoever repeats it; another ``key`` makes
    it again. ``repeated``: it was done before, and the result is of that time; a proposal then has
    its state of now in ``proposal``.
    """
    correction = store.query(lambda session: _with_keys(session, correction))
    content = (msgspec.json.encode(correction).decode(), reason) if key is None else (key,)
    # The same one that was made without a second person is another command.
    correction_id = _id("correction", *content, *(("proposed",) if propose else ()))
    command = Correct(
        correction_id=correction_id, correction=correction, reason=reason, propose=propose
    )
    if dry_run:
        return store.query(lambda session: preview(session, command))
    result = _execute(store, correct, command, correction_id)
    if result["state"] == "proposed":
        result["proposal"] = proposal_of(store, correction_id)["state"]
    return result


def _with_keys(session: Session, correction: Correction) -> Correction:
    """Return a correction of the accounts that are meant.

    A payment is corrected where it is posted, anything else by a number on the account of now.
    """
    match correction:
        case ReversePayment(payment_id=payment_id):
            keys = paid_keys(session, payment_id, correction.accounts)
            return replace(correction, accounts=tuple(sorted(set(keys))))
        case MovePayment(payment_id=payment_id):
            return replace(
                correction,
                account=paid_key(session, payment_id, correction.account),
                to_account=named_key(session, correction.to_account),
            )
    return replace(correction, account=named_key(session, correction.account))


def approve_correction(
    store: PostgresStore, proposal_id: UUID, reason: str, *, dry_run: bool
) -> dict[str, Any]:
    """Approve a proposal as the actor; see `corrections.approve`."""
    command = Approve(proposal_id=proposal_id, reason=reason)
    if dry_run:
        return store.query(lambda session: preview_approval(session, command))
    # The actor is part of the id: a second approver is refused instead of getting a repeat.
    return _execute(store, approve, command, _own_id("approve", proposal_id, reason))


def reject_correction(
    store: PostgresStore, proposal_id: UUID, reason: str, *, dry_run: bool
) -> dict[str, Any]:
    """Reject or withdraw a proposal as the actor; see `corrections.reject`."""
    command = Reject(proposal_id=proposal_id, reason=reason)
    if dry_run:
        return store.query(lambda session: preview_rejection(session, command))
    return _execute(store, reject, command, _own_id("reject", proposal_id, reason))


def close_month(store: PostgresStore, period: str, reason: str, *, dry_run: bool) -> dict[str, Any]:
    """Close a month as the actor; see `closed_periods.close_period`."""
    actor = context.current().actor
    closed = close_period(store, period, actor, reason, dry_run=dry_run)
    return {"closed_through": closed.isoformat(), "dry_run": dry_run}


def proposal_of(store: PostgresStore, proposal_id: UUID) -> dict[str, Any]:
    """Return one proposal with its preview; see `corrections.shown_proposal`."""
    return store.query(lambda session: shown_proposal(session, proposal_id))


def _execute(
    store: PostgresStore,
    handler: Callable[[Session, C], dict[str, Any]],
    command: C,
    command_id: UUID,
) -> dict[str, Any]:
    known = store.query(lambda session: store.kept_commands(session.cursor, [command_id]))
    with context.bind(command_id=command_id):
        result = store.execute(handler, command)
    return {**result, "repeated": bool(known)}


def _own_id(*parts: object) -> UUID:
    verb, subject, *more = parts
    return _id(str(verb), subject, context.current().actor, *more)


def _id(*parts: object) -> UUID:
    return derived_id(NAMESPACE, "ledger", *map(str, parts))

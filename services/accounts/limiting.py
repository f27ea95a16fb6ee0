"""Counting attempts: nobody guesses for long, and nobody spends the attempts of another.

A person's counter stays locked until the transaction ends, so concurrent attempts cannot pass the
limit together; those that all share are counted last, so that nobody waits for long. A refusal of
a wrong proof is a result, not an exception: an exception would undo the counting.
"""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec

from services.accounts.policy import Allowance, Limit
from shared.errors import Forbidden
from shared.eventstore import Session
from shared.ids import NAMESPACE, derived_id
from shared.logs import get_logger

log = get_logger(__name__)

Kind = Literal["lookup", "proof"]

EVERYBODY = derived_id(NAMESPACE, "everybody")
"""The subject of the counter over all persons and networks."""


class Trier(msgspec.Struct, frozen=True, kw_only=True):
    """Who tries: the person, and the keyed hash of the network."""

    person_id: UUID
    network: UUID


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to prove an account; ``number`` None: what was typed is no number."""

    person_id: UUID
    number: str | None
    network: UUID
    purpose: Literal["link", "prove"]
    outcome: Literal["proven", "refused"]


def admit(session: Session, kind: Kind, trier: Trier, allowance: Allowance) -> dict[str, Any]:
    """Lock the person's counter and return the state of the limit, before an attempt.

    Raises Forbidden ``too_many_attempts``, with the limit and ``retry_after_seconds``.
    """
    attempts, now = session.read.attempts, session.now
    limit = allowance.per_person
    made, closes_in = attempts.lock(_name(kind, "person"), trier.person_id, limit, now)
    if made >= limit.attempts:
        raise _too_many(limit.after(_name(kind, "person"), made, closes_in))
    if made >= allowance.always:
        for scope, subject, shared in _shared(trier, allowance):
            tried, closes_in = attempts.seen(_name(kind, scope), subject, shared, now)
            if tried >= shared.attempts:
                raise _too_many(shared.after(_name(kind, scope), tried, closes_in))
    return limit.after(_name(kind, "person"), made, closes_in)


def count(session: Session, kind: Kind, trier: Trier, allowance: Allowance) -> dict[str, Any]:
    """Count an attempt of the person, the network and everybody; return the person's limit."""
    attempts, now = session.read.attempts, session.now
    limit = allowance.per_person
    made, closes_in = attempts.count(_name(kind, "person"), trier.person_id, limit, now)
    for scope, subject, shared in _shared(trier, allowance):
        tried, _ = attempts.count(_name(kind, scope), subject, shared, now)
        if tried == shared.attempts:
            log.error("attempts_exceeded", limit=_name(kind, scope), attempts=tried)
    return limit.after(_name(kind, "person"), made, closes_in)


def count_own(session: Session, name: str, person_id: UUID, limit: Limit) -> None:
    """Count something that only a person's own limit governs. Raises ``too_many_attempts``."""
    made, closes_in = session.read.attempts.count(name, person_id, limit, session.now)
    if made > limit.attempts:
        raise _too_many(limit.after(name, made, closes_in))


def _shared(trier: Trier, allowance: Allowance) -> tuple[tuple[str, UUID, Limit], ...]:
    return (
        ("network", trier.network, allowance.per_network),
        ("total", EVERYBODY, allowance.in_total),
    )


def _name(kind: Kind, scope: str) -> str:
    return f"{kind}_by_{scope}"


def _too_many(state: dict[str, Any]) -> Forbidden:
    return Forbidden(
        "too_many_attempts",
        "Too many attempts; wait and try again, with the last paper bill at hand.",
        **state,
    )

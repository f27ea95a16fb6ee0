"""Tokens of subscribers: other systems that read the published events over HTTP."""

from __future__ import annotations

import hmac
from typing import Any

from services.identity.commands import Command
from services.identity.limits import SEEN_RESOLUTION, SUBSCRIBER_TOKENS
from services.identity.refusals import refusal
from shared.eventstore import Session


class CountWrongToken(Command, frozen=True, kw_only=True):
    network_index: bytes


class MarkUsed(Command, frozen=True, kw_only=True):
    name: str


def find(session: Session, token_digest: bytes) -> dict[str, Any] | None:
    """Return {name, grants, persons, stale} of the subscriber with a token; None for a wrong one.

    MarkUsed is due if stale.
    """
    found = session.read.subscribers.of_token(token_digest)
    # The index compares digests of random tokens, which tells nothing of a token; this tells less.
    if found is None or not hmac.compare_digest(found.token_digest, token_digest):
        return None
    last = found.last_used_at
    return {
        "name": found.name,
        "grants": list(found.grants),
        "persons": found.persons,
        "stale": last is None or session.now - last >= SEEN_RESOLUTION,
    }


def count_wrong_token(session: Session, command: CountWrongToken) -> dict[str, Any]:
    """Count a wrong token of a network; return ``subscriber_unknown`` or ``too_many_attempts``."""
    wait = session.read.attempts.take(SUBSCRIBER_TOKENS, command.network_index, session.now)
    if wait:
        return refusal("too_many_attempts", **SUBSCRIBER_TOKENS.exceeded(wait))
    return refusal("subscriber_unknown")


def mark_used(session: Session, command: MarkUsed) -> None:
    """Store that a subscriber has read."""
    session.read.subscribers.used(command.name, session.now)

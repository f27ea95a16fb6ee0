"""Rate limits of use cases whose refusals are not counted; the bounds are in ``limits``."""

from __future__ import annotations

from services.identity.limits import Limit
from services.identity.refusals import refused
from shared.eventstore import Session


def enforce_limit(session: Session, limit: Limit, subject: bytes) -> None:
    """Count one attempt of a subject. Raises Forbidden ``too_many_attempts`` above the limit."""
    wait = session.read.attempts.take(limit, subject, session.now)
    if wait:
        raise refused("too_many_attempts", **limit.exceeded(wait))

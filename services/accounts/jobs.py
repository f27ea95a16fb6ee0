"""Scheduled work of accounts: deleting expired attempts."""

from __future__ import annotations

from datetime import datetime

from services.accounts.policy import load_policy
from shared.bus import Job, Services
from shared.eventstore import Session


def forget_attempts(services: Services) -> int:
    """Delete the counters whose window has closed; return 0, so that the next run waits."""
    window = load_policy().limits.longest

    def forget(session: Session, _command: None) -> None:
        before: datetime = session.now - window
        session.read.attempts.forget(before)

    services.store.transact(forget, None)
    return 0


JOBS = [Job("forget_attempts", every=3600.0, run=forget_attempts)]

"""Scheduled work of accounts: what has had its time is ended or deleted."""

from __future__ import annotations

from services.accounts.policy import load_policy
from services.accounts.sharing import end_expired_invitations
from shared.bus import Job, Services
from shared.eventstore import Session
from shared.retention import load_retention


def forget_attempts(services: Services) -> int:
    """Delete the counters whose window has closed, and the old part of the attempts' log.

    Returns 0, so that the next run waits.
    """
    policy, kept = load_policy(), load_retention().attempts

    def forget(session: Session, _command: None) -> None:
        session.read.attempts.forget(session.now - policy.limits.longest)
        session.read.attempts_log.forget(session.now - kept)

    services.store.transact(forget, None)
    return 0


def end_invitations(services: Services) -> int:
    """End invitations whose week has passed; return how many."""
    return services.store.transact(end_expired_invitations, None)


JOBS = [
    Job("forget_attempts", every=3600.0, run=forget_attempts),
    Job("end_invitations", every=600.0, run=end_invitations),
]

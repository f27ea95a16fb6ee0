"""Scheduled work: deliver letters, delete the rows of letters that have had their time."""

from __future__ import annotations

from services.notifications.delivery import deliver_letters
from shared.bus import Job, Services
from shared.eventstore import Session
from shared.retention import load_retention

#: Rows of letters deleted in one transaction.
FORGOTTEN_AT_ONCE = 1000


def forget_letters(services: Services) -> int:
    """Delete the rows of letters that have had their time; return how many there were."""
    kept = load_retention().letters

    def forget(session: Session, _: None) -> int:
        forgotten: int = session.read.forget_letters(session.now - kept, FORGOTTEN_AT_ONCE)
        return forgotten

    return services.store.transact(forget, None)


JOBS = [
    Job("deliver_letters", every=1.0, run=deliver_letters),
    Job("forget_letters", every=3600.0, run=forget_letters),
]

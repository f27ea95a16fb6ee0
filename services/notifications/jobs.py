"""Scheduled work: read what came back, delete the rows of letters that have had their time."""

from __future__ import annotations

from services.notifications.bounces import read_bounces
from services.notifications.mailings.job import carry_on_mailings, forget_mailings
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
    Job("read_bounces", every=10.0, run=read_bounces),
    Job("forget_letters", every=3600.0, run=forget_letters),
    Job("carry_on_mailings", every=5.0, run=carry_on_mailings),
    Job("forget_mailings", every=3600.0, run=forget_mailings),
]

"""Scheduled work: measure the outbox, read what came back, mail, delete what has had its time."""

from __future__ import annotations

from datetime import timedelta

from services.notifications.bounces import read_bounces
from services.notifications.mailings.job import carry_on_mailings, forget_mailings
from services.notifications.requests import Lane
from shared import telemetry
from shared.bus import Job, Services
from shared.eventstore import Session
from shared.retention import load_retention

#: Letters that wait for longer are late, as a metric counts them.
LATE_AFTER = timedelta(minutes=1)

#: Rows of letters deleted in one transaction.
FORGOTTEN_AT_ONCE = 1000


def forget_letters(services: Services) -> int:
    """Delete the rows of letters that have had their time; return how many there were."""
    kept = load_retention().letters

    def forget(session: Session, _: None) -> int:
        forgotten: int = session.read.forget_letters(session.now - kept, FORGOTTEN_AT_ONCE)
        return forgotten

    return services.store.transact(forget, None)


def measure_outbox(services: Services) -> int:
    """Show in the metrics how many letters wait in each lane, and since when; return 0."""

    def measure(session: Session) -> None:
        waiting = session.read.outbox.waiting(session.now - LATE_AFTER)
        for lane in Lane:
            number, late, since = waiting.get(lane, (0, 0, session.now))
            name = lane.name.lower()
            telemetry.LETTERS_WAITING.labels(name).set(number)
            telemetry.LETTERS_LATE.labels(name).set(late)
            telemetry.LETTERS_WAITING_SECONDS.labels(name).set(
                (session.now - since).total_seconds()
            )

    services.store.query(measure)
    return 0


JOBS = [
    Job("measure_outbox", every=30.0, run=measure_outbox),
    Job("read_bounces", every=10.0, run=read_bounces),
    Job("forget_letters", every=3600.0, run=forget_letters),
    Job("carry_on_mailings", every=5.0, run=carry_on_mailings),
    Job("forget_mailings", every=3600.0, run=forget_mailings),
]

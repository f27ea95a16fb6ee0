"""The job that notes mailings and carries them on, a page at a time."""

from __future__ import annotations

from typing import Final

from services.notifications.mailing import Mailing, State
from services.notifications.mailings.collecting import collect
from services.notifications.mailings.noting import note_days, note_imports
from services.notifications.mailings.queueing import queue_batch
from shared.bus import Services
from shared.errors import ServiceError, Unavailable
from shared.eventstore import Session
from shared.logs import get_logger
from shared.retention import load_retention

log = get_logger(__name__)

FORGOTTEN_AT_ONCE: Final = 1_000


def carry_on_mailings(services: Services) -> int:
    """Do a page of the mailing under way, or note new ones; return 0 when there is nothing to do.

    Codes are delivered by others meanwhile, and between two pages this job lets the others run. A
    mailing that is refused stops no other one: the next is carried on, and new ones are noted.
    """
    try:
        for mailing in services.store.query(lambda session: session.peek.mailings.under_way()):
            if _carried_on(services, mailing):
                return 1
        return note_imports(services) + note_days(services)
    except Unavailable as error:
        log.info("mailing_waits", code=error.code)
        return 0


def _carried_on(services: Services, mailing: Mailing) -> bool:
    try:
        if mailing.state is State.COLLECTING:
            collect(services, mailing)
        else:
            queue_batch(services, mailing)
    except Unavailable:
        raise
    except ServiceError as error:
        log.error(  # noqa: TRY400 - refused by a service, whose error has no trace of ours
            "mailing_refused",
            mailing_id=str(mailing.mailing_id),
            kind=mailing.kind.value,
            state=mailing.state.value,
            code=error.code,
        )
        return False
    return True


def forget_mailings(services: Services) -> int:
    """Delete mailings whose letters have had their time; return how many there were."""
    kept = load_retention().letters

    def forget(session: Session, _: None) -> int:
        forgotten: int = session.peek.mailings.forget(session.now - kept, FORGOTTEN_AT_ONCE)
        return forgotten

    return services.store.transact(forget, None)

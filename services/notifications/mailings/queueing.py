"""The letters of a mailing are queued: those to a batch of persons in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from services.notifications.application import queue_letters
from services.notifications.bouncing import bounced_since
from services.notifications.mailing import Line, Mailing, State, letters_of
from shared.bus import Services
from shared.eventstore import Session

#: Persons whose letters are queued in one transaction, which holds the lock of the log.
BATCH: Final = 1_000
_FIRST: Final = UUID(int=0)


class _Batch(msgspec.Struct, frozen=True):
    mailing: Mailing
    timezone: str


def queue_batch(services: Services, mailing: Mailing) -> None:
    """Queue the letters to the next persons."""
    services.store.transact(_queue, _Batch(mailing, services.settings.timezone))


def _queue(session: Session, batch: _Batch) -> None:
    mailings, mailing = session.peek.mailings, batch.mailing
    if not mailings.lock(mailing):
        return
    after = UUID(mailing.reached) if mailing.reached else _FIRST
    lines = mailings.take_lines(mailing.mailing_id, after, BATCH)
    if not lines:
        mailings.move_on(mailing, State.DONE, mailing.reached, finished_at=session.now)
        return
    wanted = _wanted(session, mailing, lines)
    queued = queue_letters(session, list(letters_of(mailing, wanted, ZoneInfo(batch.timezone))))
    last = max(line.person_id for line in lines)
    mailings.move_on(mailing, State.QUEUEING, str(last), queued=queued)


def _wanted(session: Session, mailing: Mailing, lines: Sequence[Line]) -> list[Line]:
    """Return the lines of persons who want such letters, and whose address receives any."""
    persons = {line.person_id for line in lines}
    unwanted = {
        person for person, kind in session.peek.choices.unwanted(persons) if kind == mailing.kind
    }
    bounced = bounced_since(session, persons).keys()
    return [line for line in lines if line.person_id not in unwanted | bounced]

"""Events that a restore or a failover took from the log of letters.

A letter that the mail server had taken is not sent again: what waits is marked as sent at once, and
what is queued again under the same id later on never waits (`queue_letters`). What had not gone
out is queued again by the event that it is about, and that is fetched from its own log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from services.notifications.application import MarkSent, mark_sent
from shared.bus import Services
from shared.eventstore import Session
from shared.eventstore.lost_events import Advice, Fate, Judged, LostEvent

_UNPUBLISHED: Final = (Advice("Persons choose again which letters they get."),)


def judge(session: Session, lost: Sequence[LostEvent]) -> list[Judged]:
    """Return what is to become of lost events."""
    return [_judged(event) for event in lost]


def _judged(event: LostEvent) -> Judged:
    sent = event.type == "letter_sent"
    return Judged(event=event, fate=Fate.BROUGHT_BACK if sent else Fate.BY_ITSELF)


def bring_back(services: Services, lost: Sequence[LostEvent]) -> Iterator[Judged]:
    """Yield what has become of each event: `protect` has done what is to be done."""
    yield from map(_judged, lost)


def protect(services: Services, lost: Sequence[LostEvent], *, whole: bool) -> None:
    """Mark letters as sent that wait, and had gone out."""
    for event in lost:
        if event.type == "letter_sent":
            command = MarkSent(letter_id=UUID(event.data["letter_id"]), message_id="", attempts=1)
            services.store.transact(mark_sent, command)


def unpublished() -> Sequence[Advice]:
    """Return what staff do about lost events that were never published."""
    return _UNPUBLISHED

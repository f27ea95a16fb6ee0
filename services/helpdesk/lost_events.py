"""Events that a restore or a failover took from the log of the help desk.

The texts of questions stand in no event that others have, so persons and staff write them again.
The short numbers of lost questions were told to persons: they are not given out once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from shared.bus import Services
from shared.bus.readable_losses import UNKNOWN
from shared.eventstore import Session
from shared.eventstore.lost_events import Advice, Fate, Judged, LostEvent

_SPARED: Final = 100
"""Numbers that are left out besides: a question that nobody has published yet had one, too."""

_ADVICE: Final = {
    "question_asked": Advice("Person {person_id} asks the question {question_id} again."),
    "question_message_added": Advice(
        "The person writes the message to question {question_id} again."
    ),
    "question_answered": Advice("Answer the question {question_id} again: saldo helpdesk answer"),
    "question_routed": Advice(
        "Hand the question {question_id} to {department} again: saldo helpdesk route"
    ),
    "question_closed": Advice("Close the question {question_id} again: saldo helpdesk close"),
}
_UNPUBLISHED: Final = (
    Advice(
        "Assign questions again, and repeat what was proposed on disputes: saldo helpdesk assign, "
        "saldo helpdesk propose"
    ),
)


def judge(session: Session, lost: Sequence[LostEvent]) -> list[Judged]:
    """Return what is to become of lost events."""
    return [_judged(event) for event in lost]


def _judged(event: LostEvent) -> Judged:
    if event.type == "dispute_decided":
        return Judged(event=event, fate=Fate.BY_ITSELF)
    advice = _ADVICE.get(event.type, UNKNOWN)
    return Judged(event=event, fate=Fate.STAFF, advice=advice.about(event.data))


def bring_back(services: Services, lost: Sequence[LostEvent]) -> Iterator[Judged]:
    """Yield what has become of each event: nothing can be recorded again."""
    yield from map(_judged, lost)


def protect(services: Services, lost: Sequence[LostEvent], *, whole: bool) -> None:
    """Leave out the short numbers that lost questions had."""
    asked = sum(event.type == "question_asked" for event in lost)
    if lost or not whole:
        services.store.transact(leave_out, asked + _SPARED)


def leave_out(session: Session, numbers: int) -> None:
    """Leave out the next short numbers of questions."""
    cursor: Any = session.cursor
    cursor.execute("UPDATE question_counter SET last = last + %s", (numbers,))


def unpublished() -> Sequence[Advice]:
    """Return what staff do about lost events that were never published."""
    return _UNPUBLISHED

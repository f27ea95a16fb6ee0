"""Events of letters as published, by shared/contracts/notifications.py."""

from __future__ import annotations

from services.notifications.domain import LetterFailed, LetterSent
from shared.bus import Publication
from shared.eventstore import Recorded


def publish(recorded: Recorded) -> Publication | None:
    """Return the published form of an event, or None if it is internal."""
    letter_id = str(recorded.originator_id)
    match recorded.event:
        case LetterSent(kind=kind):
            data = {"letter_id": letter_id, "kind": kind}
            return Publication(type="letter_sent", subject=letter_id, data=data)
        case LetterFailed(kind=kind, reason=reason):
            data = {"letter_id": letter_id, "kind": kind, "reason": reason}
            return Publication(type="letter_failed", subject=letter_id, data=data)
        case _:
            return None

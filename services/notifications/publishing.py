"""What other systems hear of a letter's fate, as shared/contracts/notifications.py promises."""

from __future__ import annotations

from services.notifications.domain import LetterFailed, LetterSent
from shared.bus import Publication
from shared.eventstore import Recorded


def publish(recorded: Recorded) -> Publication | None:
    """The public form of a domain event; None for what stays inside."""
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

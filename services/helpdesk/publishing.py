"""The help desk's events as published, without the texts."""

from __future__ import annotations

from services.helpdesk.dispute import DisputeDecided
from services.helpdesk.domain import (
    MessageAdded,
    QuestionAnswered,
    QuestionAsked,
    QuestionClosed,
    QuestionRouted,
)
from shared.bus import Publication
from shared.eventstore import Recorded


def publish(recorded: Recorded) -> Publication | None:
    """Return the published form of an event; the subject is the question's id."""
    question_id = str(recorded.originator_id)
    match recorded.event:
        case QuestionAsked() as event:
            data = {
                "person_id": str(event.person_id),
                "department": event.department,
                "topic": event.subject,
            }
            kind = "question_asked"
        case QuestionRouted() as event:
            kind, data = "question_routed", {"department": event.department}
        case QuestionAnswered() as event:
            kind, data = "question_answered", {"person_id": str(event.person_id)}
        case MessageAdded():
            kind, data = "question_message_added", {}
        case QuestionClosed():
            kind, data = "question_closed", {}
        case DisputeDecided() as event:
            kind = "dispute_decided"
            data = {"person_id": str(event.person_id), "decision": event.decision}
        case _:
            return None
    return Publication(type=kind, subject=question_id, data={"question_id": question_id, **data})

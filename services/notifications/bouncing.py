"""What reports say of letters: that they came back, or are late."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from services.notifications.delivery_reports import DeliveryReport
from services.notifications.domain import Letter
from shared.eventstore import Session

#: Statuses of a failure that say nothing against the address (RFC 3463): of the receiving system,
#: of the protocol, and of what the receiver does not want to read.
_NOT_THE_ADDRESS: Final = ("5.3.", "5.5.", "5.6.", "5.7.")
#: The same: a full mailbox, a sender that is not accepted, a letter whose time ran out on the way,
#: as Exchange says it, too.
_NEITHER_THE_ADDRESS: Final = frozenset({"5.2.2", "5.1.7", "5.1.8", "5.4.7", "5.4.300"})


def is_hard(status: str) -> bool:
    """Return whether a failure says that an address receives no letters."""
    if status in _NEITHER_THE_ADDRESS or status.startswith(_NOT_THE_ADDRESS):
        return False
    return status.startswith("5.")


def note_reports(session: Session, reports: Sequence[DeliveryReport]) -> int:
    """Note what reports say; return how many were about the last sending of a letter of ours.

    The others are about unknown letters, an earlier sending, or say what was known.
    """
    known = session.peek.bounces.known([report.letter_id for report in reports])
    # The rows are locked before the log, as whoever delivers a letter does.
    session.peek.outbox.lock(known)
    return sum(_note(session, report) for report in reports if report.letter_id in known)


def bounced_since(session: Session, person_ids: Collection[UUID]) -> dict[UUID, datetime]:
    """Return since when letters to persons come back, without those whose address works."""
    found: dict[UUID, datetime] = session.read.bounces.since(person_ids, session.now)
    return found


def _note(session: Session, report: DeliveryReport) -> bool:
    letter = session.load(Letter, report.letter_id)
    if not report.failed:
        return letter.note_delay(report.status, report.message_id)
    noted = letter.bounce(report.status, report.message_id, hard=is_hard(report.status))
    if noted:
        # It was on its way, though its sending had an unknown outcome: it is not sent again.
        session.read.outbox.erase(report.letter_id)
    return noted

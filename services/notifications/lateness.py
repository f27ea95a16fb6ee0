"""Whether letters are late: what persons who wait for one are told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from services.notifications.requests import Lane
from shared.eventstore import Session

#: How long a letter with a secret is due before its person is told that letters are late. Those
#: that one addressee's server has put off are not due meanwhile.
LATE_AFTER: Final = timedelta(seconds=30)


def delivery(session: Session) -> dict[str, Any]:
    """Return {late}: whether letters with codes and links wait for the mail server."""
    return {"late": session.read.outbox.any_due(session.now - LATE_AFTER, Lane.SECRET)}

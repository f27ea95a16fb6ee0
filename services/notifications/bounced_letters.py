"""Letters that came back, in the table ``letters``.

No address is kept: what is known of one is its person's, until he has another.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Cursor

from services.notifications.requests import TO_ANOTHER_ADDRESS

#: How long a letter that was accepted may still come back: later it shows that its address works.
SETTLED = timedelta(hours=1)

_SINCE = """
SELECT person_id, min(bounced_at) AS since FROM letters AS bounced
WHERE person_id = ANY(%(persons)s) AND state = 'bounced' AND bounced_hard
  AND NOT kind = ANY(%(others)s)
  AND NOT EXISTS (
    SELECT 1 FROM letters AS later
    WHERE later.person_id = bounced.person_id AND (
      later.kind = 'email_changed' AND later.position > bounced.position
      OR later.state = 'sent' AND NOT later.kind = ANY(%(others)s)
        AND later.sent_at > coalesce(bounced.sent_at, bounced.queued_at)
        AND later.sent_at <= %(settled)s))
GROUP BY person_id
"""


class BouncedLetters:
    """The letters that came back, within one transaction."""

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def known(self, letter_ids: Collection[UUID]) -> set[UUID]:
        """Return those of some letters that there are."""
        self._cursor.execute(
            "SELECT letter_id FROM letters WHERE letter_id = ANY(%s)", (list(letter_ids),)
        )
        return {row["letter_id"] for row in self._cursor.fetchall()}

    def since(self, person_ids: Collection[UUID], now: datetime) -> dict[UUID, datetime]:
        """Return since when letters to persons come back, without those whose address works.

        An address works again when it is another one, or when a later letter was accepted and has
        not come back while others do.
        """
        asked = {
            "persons": list(person_ids),
            "others": [kind.value for kind in TO_ANOTHER_ADDRESS],
            "settled": now - SETTLED,
        }
        self._cursor.execute(_SINCE, asked)
        return {row["person_id"]: row["since"] for row in self._cursor.fetchall()}

    def bounce(self, letter_id: UUID, status: str, at: datetime, *, hard: bool) -> None:
        """Note that a letter came back."""
        self._cursor.execute(
            "UPDATE letters SET state = 'bounced', bounced_at = %s, report_status = %s,"
            " bounced_hard = %s WHERE letter_id = %s",
            (at, status, hard, letter_id),
        )

    def delay(self, letter_id: UUID, status: str) -> None:
        """Note that a letter is late."""
        self._cursor.execute(
            "UPDATE letters SET report_status = %s WHERE letter_id = %s", (status, letter_id)
        )

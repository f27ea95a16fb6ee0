"""What staff ask of the table ``letters``."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

_LETTER = (
    "SELECT letter_id, kind, person_id, state, reason, report_status, queued_at, sent_at,"
    " bounced_at FROM letters"
)
_FAILURES = """
SELECT state, kind, coalesce(reason, report_status) AS reason, count(*) AS letters,
       min(queued_at) AS first_queued_at, max(queued_at) AS last_queued_at
FROM letters WHERE state IN ('failed', 'bounced') AND queued_at >= %s
GROUP BY 1, 2, 3 ORDER BY letters DESC, 1, 2, 3
"""


class LetterLists:
    """The letters as staff see them, within one transaction."""

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def listed(
        self,
        *,
        state: str | None,
        kind: str | None,
        person_id: UUID | None,
        since: datetime | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Return letters, the newest first; None leaves a condition out."""
        given = {
            "state = %s": state,
            "kind = %s": kind,
            "person_id = %s": person_id,
            "queued_at >= %s": since,
        }
        wanted = {condition: value for condition, value in given.items() if value is not None}
        where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
        self._cursor.execute(
            f"{_LETTER}{where} ORDER BY queued_at DESC, position DESC LIMIT %s",
            (*wanted.values(), limit),
        )
        return self._cursor.fetchall()

    def one(self, letter_id: UUID) -> dict[str, Any] | None:
        """Return a letter, with what it is about and what waits of it in the outbox."""
        self._cursor.execute(
            "SELECT letters.letter_id, kind, person_id, state, reason, report_status,"
            " letters.queued_at, sent_at, bounced_at, refs, attempts, next_attempt_at"
            " FROM letters LEFT JOIN outbox USING (letter_id) WHERE letters.letter_id = %s",
            (letter_id,),
        )
        return self._cursor.fetchone()

    def failures(self, since: datetime) -> list[dict[str, Any]]:
        """Return how many letters have failed or come back since, by state, kind and reason."""
        self._cursor.execute(_FAILURES, (since,))
        return self._cursor.fetchall()

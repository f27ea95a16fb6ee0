"""The tables of mailings: what is under way, whom it concerns, and which imports are noted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from services.notifications.mailing import Line, Mailing, State
from shared.contracts.notifications import LetterKind

_COLUMNS = "mailing_id, kind, about, state, reached, first_position, last_position"
_NOTE = (
    f"INSERT INTO mailings ({_COLUMNS}, begun_at, finished_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
_ADD = (
    "INSERT INTO mailing_lines (mailing_id, person_id, account, period, due_on)"
    " SELECT %s, * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::date[])"
    " ON CONFLICT DO NOTHING"
)
# After the last person: the rows before him are deleted, and their places in the index are not
# free until the next vacuum.
_TAKE = """
WITH persons AS (
    SELECT DISTINCT person_id FROM mailing_lines
     WHERE mailing_id = %(mailing)s AND person_id > %(after)s ORDER BY person_id LIMIT %(limit)s
)
DELETE FROM mailing_lines USING persons
 WHERE mailing_id = %(mailing)s AND mailing_lines.person_id = persons.person_id
RETURNING mailing_lines.person_id, account, period, due_on
"""
_SHOWN = """
SELECT newest.*, counted.*,
       CASE WHEN newest.state = 'queueing' THEN
           (SELECT count(*) FROM mailing_lines AS l WHERE l.mailing_id = newest.mailing_id)
       END AS lines_left
  FROM (SELECT * FROM mailings ORDER BY begun_at DESC, mailing_id LIMIT %s) AS newest,
       LATERAL (
           SELECT count(*) FILTER (WHERE l.state = 'sent') AS sent,
                  count(*) FILTER (WHERE l.state = 'bounced') AS bounced,
                  count(*) FILTER (WHERE l.state = 'failed' AND l.reason <> 'stale') AS failed,
                  count(*) FILTER (WHERE l.state = 'failed' AND l.reason = 'stale') AS pointless
             FROM letters AS l
            WHERE l.refs ? 'mailing_id' AND l.refs ->> 'mailing_id' = newest.mailing_id::text
       ) AS counted
 ORDER BY begun_at DESC, newest.mailing_id
"""


class Mailings:
    """The tables of mailings within one transaction."""

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def noted_position(self, book: str = "") -> int:
        """Return the position in the log of a book up to which imports are noted."""
        if not book:
            self._cursor.execute("SELECT position FROM noted_imports")
        else:
            self._cursor.execute(
                "SELECT position FROM noted_imports_of_books WHERE book = %s", (book,)
            )
        row = self._cursor.fetchone()
        return int(row["position"]) if row else 0

    def move_noted_position(self, before: int, position: int, book: str = "") -> bool:
        """Advance that position; return False where another process has done so."""
        if not book:
            self._cursor.execute(
                "UPDATE noted_imports SET position = %s WHERE position = %s", (position, before)
            )
        else:
            self._cursor.execute(
                "INSERT INTO noted_imports_of_books AS noted (book, position) VALUES (%s, %s)"
                " ON CONFLICT (book) DO UPDATE SET position = excluded.position"
                " WHERE noted.position = %s",
                (book, position, before),
            )
        return self._cursor.rowcount > 0

    def note(self, mailing: Mailing, now: datetime) -> bool:
        """Note a mailing; return False for one that is noted already."""
        values = (
            mailing.mailing_id,
            mailing.kind.value,
            mailing.about,
            mailing.state.value,
            mailing.reached,
            mailing.first_position,
            mailing.last_position,
            now,
            now if mailing.state is State.OUTDATED else None,
        )
        self._cursor.execute(_NOTE, values)
        return self._cursor.rowcount > 0

    def known(self, mailing_ids: Collection[UUID]) -> set[UUID]:
        """Return which of some mailings are noted."""
        self._cursor.execute(
            "SELECT mailing_id FROM mailings WHERE mailing_id = ANY(%s)", (list(mailing_ids),)
        )
        return {row["mailing_id"] for row in self._cursor.fetchall()}

    def under_way(self) -> list[Mailing]:
        """Return the mailings that are not done, the earliest first."""
        self._cursor.execute(
            f"SELECT {_COLUMNS} FROM mailings WHERE state IN ('collecting', 'queueing')"
            " ORDER BY begun_at, mailing_id"
        )
        return [_mailing(row) for row in self._cursor.fetchall()]

    def lock(self, mailing: Mailing) -> bool:
        """Lock a mailing until the commit; False where another process has carried it on."""
        self._cursor.execute(
            "SELECT 1 FROM mailings WHERE mailing_id = %s AND state = %s AND reached = %s"
            " FOR UPDATE",
            (mailing.mailing_id, mailing.state.value, mailing.reached),
        )
        return self._cursor.fetchone() is not None

    def add_lines(self, mailing_id: UUID, lines: Sequence[Line]) -> int:
        """Add whom a mailing concerns; return how many were not known."""
        if not lines:
            return 0
        columns = (
            [line.person_id for line in lines],
            [line.account for line in lines],
            [line.period for line in lines],
            [line.due_on for line in lines],
        )
        self._cursor.execute(_ADD, (mailing_id, *columns))
        return self._cursor.rowcount

    def take_lines(self, mailing_id: UUID, after: UUID, limit: int) -> list[Line]:
        """Remove and return all lines of the next persons."""
        self._cursor.execute(_TAKE, {"mailing": mailing_id, "after": after, "limit": limit})
        return [Line(**row) for row in self._cursor.fetchall()]

    def move_on(
        self,
        mailing: Mailing,
        state: State,
        reached: str,
        *,
        found: int = 0,
        queued: int = 0,
        finished_at: datetime | None = None,
    ) -> None:
        """Keep how far a locked mailing has come."""
        self._cursor.execute(
            "UPDATE mailings SET state = %s, reached = %s, found = found + %s,"
            " queued = queued + %s, finished_at = %s WHERE mailing_id = %s",
            (state.value, reached, found, queued, finished_at, mailing.mailing_id),
        )

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """Return mailings as staff see them, newest first, with what has come of their letters."""
        self._cursor.execute(_SHOWN, (limit,))
        return self._cursor.fetchall()

    def forget(self, before: datetime, most: int) -> int:
        """Delete mailings that ended before a moment; return how many."""
        self._cursor.execute(
            "DELETE FROM mailings WHERE mailing_id IN (SELECT mailing_id FROM mailings"
            " WHERE begun_at < %s AND finished_at < %s ORDER BY begun_at LIMIT %s)",
            (before, before, most),
        )
        return self._cursor.rowcount


def _mailing(row: dict[str, Any]) -> Mailing:
    return Mailing(**{**row, "kind": LetterKind(row["kind"]), "state": State(row["state"])})

"""The outbox: letters that wait for the mail server.

It is mutable on purpose, and so not part of the event log: sent letters must not be kept, least of
all codes and passwords.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Cursor

from services.notifications.application import ClaimedLetter, HeldLetter, WaitingLetter
from services.notifications.requests import Lane

_CLAIM = """
WITH due AS (
    SELECT letter_id FROM outbox WHERE lane = %(lane)s AND next_attempt_at <= %(now)s
    ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE outbox SET claimed_by = %(claim)s, next_attempt_at = %(until)s
    FROM due WHERE outbox.letter_id = due.letter_id RETURNING outbox.*
)
SELECT letter_id, kind, person_id, refs, lane, sealed, sealed_until, generation, not_after,
       claimed_by AS claim, correlation_id, attempts, claimed.queued_at
FROM claimed JOIN letters USING (letter_id) ORDER BY claimed.queued_at, letter_id
"""

_HOLD_TOPIC = """
SELECT outbox.letter_id, claimed_by, outbox.queued_at, position
  FROM outbox JOIN letters USING (letter_id)
 WHERE letter_id = %(letter)s
    OR secret_topic = (SELECT secret_topic FROM outbox WHERE letter_id = %(letter)s)
 ORDER BY letter_id FOR UPDATE OF outbox
"""

_WAITING = ", ".join((*WaitingLetter.__struct_fields__, "attempts", "next_attempt_at"))
_ADD = (
    f"INSERT INTO outbox ({_WAITING})"
    f" SELECT {_WAITING} FROM json_populate_recordset(NULL::outbox, %s::json)"
)


class Outbox:
    """The table `outbox`, within one transaction."""

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def add(self, letters: Sequence[WaitingLetter]) -> None:
        """Add letters; the caller has checked, by their streams, that their ids are new."""
        rows = [
            {**msgspec.structs.asdict(letter), "attempts": 0, "next_attempt_at": letter.queued_at}
            for letter in letters
        ]
        if rows:
            self._cursor.execute(_ADD, (msgspec.json.encode(rows).decode(),))

    def any_due(self, now: datetime, lowest: Lane) -> bool:
        """Return whether a letter of these lanes is due."""
        self._cursor.execute(
            # By lane, so that letters that are not due yet cost nothing, however many they are.
            "SELECT 1 FROM outbox WHERE lane = ANY(%s) AND next_attempt_at <= %s LIMIT 1",
            ([lane.value for lane in Lane if lane <= lowest], now),
        )
        return self._cursor.fetchone() is not None

    def most_urgent(self, now: datetime, lowest: Lane) -> Lane | None:
        """Return the most urgent of these lanes that has a letter due; None if none has."""
        self._cursor.execute(
            "SELECT lane FROM outbox WHERE lane = ANY(%s) AND next_attempt_at <= %s"
            " ORDER BY lane LIMIT 1",
            ([lane.value for lane in Lane if lane <= lowest], now),
        )
        row = self._cursor.fetchone()
        return None if row is None else Lane(row["lane"])

    def waiting(self, late_before: datetime) -> dict[Lane, tuple[int, int, datetime]]:
        """Return by lane how many letters wait, how many of them are late, and since when one does.

        Late are those that were queued before a moment.
        """
        self._cursor.execute(
            "SELECT lane, count(*) AS number, count(*) FILTER (WHERE queued_at < %s) AS late,"
            " min(queued_at) AS since FROM outbox GROUP BY lane",
            (late_before,),
        )
        return {
            Lane(row["lane"]): (row["number"], row["late"], row["since"])
            for row in self._cursor.fetchall()
        }

    def claim(
        self, lane: Lane, limit: int, *, claim: UUID, now: datetime, until: datetime
    ) -> list[ClaimedLetter]:
        """Claim letters of a lane that are due, those that have waited longest, until a time."""
        asked = {"lane": lane, "limit": limit, "claim": claim, "now": now, "until": until}
        self._cursor.execute(_CLAIM, asked)
        return [ClaimedLetter(**row) for row in self._cursor.fetchall()]

    def renew(self, claims: Sequence[UUID], until: datetime) -> int:
        """Let claims last until a time; return how many letters that concerned.

        A letter that is being drawn is locked while its owner is asked; it takes part next time.
        """
        self._cursor.execute(
            "UPDATE outbox SET next_attempt_at = %s WHERE letter_id IN (SELECT letter_id"
            " FROM outbox WHERE claimed_by = ANY(%s) FOR UPDATE SKIP LOCKED)",
            (until, list(claims)),
        )
        return self._cursor.rowcount

    def is_claimed(self, letter_id: UUID, claim: UUID, now: datetime) -> bool:
        """Return whether a letter is still held by a claim."""
        self._cursor.execute(
            "SELECT 1 FROM outbox WHERE letter_id = %s AND claimed_by = %s"
            " AND next_attempt_at > %s",
            (letter_id, claim, now),
        )
        return self._cursor.fetchone() is not None

    def hold(self, letter_id: UUID, claim: UUID) -> bool:
        """Lock a claimed letter to the end of the transaction; False if the claim is lost."""
        self._cursor.execute(
            "SELECT 1 FROM outbox WHERE letter_id = %s AND claimed_by = %s FOR UPDATE",
            (letter_id, claim),
        )
        return self._cursor.fetchone() is not None

    def hold_topic(self, letter_id: UUID) -> list[HeldLetter]:
        """Lock a letter and those with a secret for the same; return them, the newest last."""
        self._cursor.execute(_HOLD_TOPIC, {"letter": letter_id})
        rows = sorted(self._cursor.fetchall(), key=lambda row: (row["queued_at"], row["position"]))
        return [HeldLetter(letter_id=row["letter_id"], claim=row["claimed_by"]) for row in rows]

    def lock(self, letter_ids: Collection[UUID]) -> None:
        """Lock those of some letters that wait, to the end of the transaction."""
        self._cursor.execute(
            "SELECT 1 FROM outbox WHERE letter_id = ANY(%s) ORDER BY letter_id FOR UPDATE",
            (list(letter_ids),),
        )

    def keep(self, letter_id: UUID, sealed: str, until: datetime | None) -> None:
        """Keep what was drawn for a letter, which is its next generation."""
        self._cursor.execute(
            "UPDATE outbox SET sealed = %s, sealed_until = %s, generation = generation + 1"
            " WHERE letter_id = %s",
            (sealed, until, letter_id),
        )

    def postpone(self, letter_id: UUID, claim: UUID, until: datetime, *, attempts: int) -> None:
        """End the claim of a letter, which is due again at `until`."""
        self._cursor.execute(
            "UPDATE outbox SET attempts = %s, next_attempt_at = %s, claimed_by = NULL"
            " WHERE letter_id = %s AND claimed_by = %s",
            (attempts, until, letter_id, claim),
        )

    def release(self, claim: UUID, now: datetime) -> None:
        """End a claim; its letters are due at once."""
        self._cursor.execute(
            "UPDATE outbox SET next_attempt_at = %s, claimed_by = NULL WHERE claimed_by = %s",
            (now, claim),
        )

    def queued_before(self, moment: datetime, limit: int) -> list[UUID]:
        """Return letters that have waited since before a moment."""
        self._cursor.execute(
            "SELECT letter_id FROM outbox WHERE queued_at <= %s LIMIT %s FOR UPDATE SKIP LOCKED",
            (moment, limit),
        )
        return [row["letter_id"] for row in self._cursor.fetchall()]

    def of_person(self, person_id: UUID) -> list[UUID]:
        """Return the letters that wait for a person, locked."""
        self._cursor.execute(
            "SELECT letter_id FROM outbox JOIN letters USING (letter_id) WHERE person_id = %s"
            " ORDER BY letter_id FOR UPDATE OF outbox",
            (person_id,),
        )
        return [row["letter_id"] for row in self._cursor.fetchall()]

    def erase(self, letter_id: UUID) -> None:
        """Delete a letter with what was drawn for it."""
        self._cursor.execute("DELETE FROM outbox WHERE letter_id = %s", (letter_id,))

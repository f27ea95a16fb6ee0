"""The tables of access, which events fill: who has linked which tenure, and who is invited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from services.accounts.cabinet import AccountLinked, AccountUnlinked, Link
from services.accounts.invitation import InvitationSent, OpenInvitation
from shared.account_key import number_of, tenure_of

_LINK = "person_id, number, tenure, role, proven_by, invited_by, linked_at"
_READERS = (
    "SELECT a.key, l.person_id FROM unnest(%s::text[], %s::text[], %s::integer[])"
    " AS a(key, number, tenure)"
    " JOIN tenures AS t ON t.number = a.number AND t.tenure = a.tenure AND t.until IS NULL"
    " JOIN links AS l ON l.number = a.number AND l.tenure = a.tenure ORDER BY l.position"
)


class Links:
    """Who has linked which tenure of an account."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def add(self, event: AccountLinked, recorded_at: datetime, position: int) -> None:
        self._cursor.execute(
            f"INSERT INTO links ({_LINK}, position) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                event.person_id,
                event.number,
                event.tenure,
                event.role,
                event.proven_by,
                event.invited_by,
                recorded_at,
                position,
            ),
        )

    def remove(self, event: AccountUnlinked) -> None:
        self._cursor.execute(
            "DELETE FROM links WHERE (person_id, number, tenure) = (%s, %s, %s)",
            (event.person_id, event.number, event.tenure),
        )

    def lock_cabinet(self, person_id: UUID) -> None:
        """Let other changes of a cabinet wait until the commit.

        Taken before the cabinet is read: a change that had read it before another one's commit
        would be decided again, under the log's lock, which whoever waits here may hold.
        """
        self._lock(f"cabinet {person_id}")

    def lock_account(self, number: str) -> None:
        """Let other changes of access to an account wait until the commit; after a cabinet's lock.

        No lock of a row: an import, which holds that of the log, would wait for it.
        """
        self._lock(f"account {number}")

    def _lock(self, name: str) -> None:
        self._cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))

    def of_person(self, person_id: UUID, numbers: Sequence[str] | None = None) -> list[Link]:
        """Return a person's links, of all numbers or of some, the earliest first.

        Of a number that the person holds in two tenures it is the newest.
        """
        self._cursor.execute(
            f"SELECT {_LINK} FROM (SELECT DISTINCT ON (number) {_LINK}, position FROM links"
            " WHERE person_id = %(person)s"
            " AND (%(numbers)s::text[] IS NULL OR number = ANY(%(numbers)s))"
            " ORDER BY number, tenure DESC) AS newest ORDER BY position",
            {"person": person_id, "numbers": None if numbers is None else list(numbers)},
        )
        return [_link(row) for row in self._cursor]

    def of_persons(self, held: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], Link]:
        """Return the links of many persons and numbers, as `of_person` does those of one."""
        persons, numbers = [person for person, _ in held], [number for _, number in held]
        self._cursor.execute(
            f"SELECT DISTINCT ON (person_id, number) {_LINK} FROM links"
            " JOIN unnest(%s::uuid[], %s::text[]) AS asked (person_id, number)"
            " USING (person_id, number) ORDER BY person_id, number, tenure DESC",
            (persons, numbers),
        )
        return {(link.person_id, link.number): link for link in map(_link, self._cursor)}

    def every_of_person(self, person_id: UUID) -> list[Link]:
        """Return a person's links, each tenure of a number, the earliest first."""
        self._cursor.execute(
            f"SELECT {_LINK} FROM links WHERE person_id = %s ORDER BY position", (person_id,)
        )
        return [_link(row) for row in self._cursor]

    def of_tenure(self, number: str, tenure: int) -> list[Link]:
        """Return who has linked a tenure, the earliest first."""
        self._cursor.execute(
            f"SELECT {_LINK} FROM links WHERE (number, tenure) = (%s, %s) ORDER BY position",
            (number, tenure),
        )
        return [_link(row) for row in self._cursor]

    def of_tenures(self, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], list[Link]]:
        """Return who has linked each of these tenures (number, ordinal), the earliest first."""
        numbers, ordinals = [number for number, _ in keys], [tenure for _, tenure in keys]
        self._cursor.execute(
            f"SELECT {_LINK} FROM links WHERE (number, tenure) IN"
            " (SELECT * FROM unnest(%s::text[], %s::integer[])) ORDER BY position",
            (numbers, ordinals),
        )
        found: dict[tuple[str, int], list[Link]] = {}
        for link in map(_link, self._cursor):
            found.setdefault((link.number, link.tenure), []).append(link)
        return found

    def readers(self, keys: Sequence[str]) -> dict[str, list[UUID]]:
        """Return who has linked open tenures, by their keys, without those that nobody has."""
        ids = ([number_of(key) for key in keys], [tenure_of(key) for key in keys])
        self._cursor.execute(_READERS, (list(keys), *ids))
        readers: dict[str, list[UUID]] = {}
        for row in self._cursor:
            readers.setdefault(row["key"], []).append(row["person_id"])
        return readers

    def of_number(self, number: str) -> list[Link]:
        """Return who has linked any tenure of a number, the newest tenure first."""
        self._cursor.execute(
            f"SELECT {_LINK} FROM links WHERE number = %s ORDER BY tenure DESC, position",
            (number,),
        )
        return [_link(row) for row in self._cursor]


class Invitations:
    """Open invitations."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def add(self, event: InvitationSent, recorded_at: datetime) -> None:
        self._cursor.execute(
            "INSERT INTO invitations (invitation_id, number, tenure, role, invited_by, email,"
            " sent_at, expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                event.invitation_id,
                event.number,
                event.tenure,
                event.role,
                event.invited_by,
                event.email,
                recorded_at,
                event.expires_at,
            ),
        )

    def remove(self, invitation_id: UUID) -> None:
        self._cursor.execute("DELETE FROM invitations WHERE invitation_id = %s", (invitation_id,))

    def find(self, invitation_id: UUID) -> OpenInvitation | None:
        """Return an open invitation, None when it has ended or never was."""
        found = self._select("invitation_id = %s", (invitation_id,))
        return found[0] if found else None

    def of_tenure(self, number: str, tenure: int) -> list[OpenInvitation]:
        """Return the open invitations to a tenure, the earliest first."""
        return self._select("(number, tenure) = (%s, %s)", (number, tenure))

    def sent_by(self, person_id: UUID) -> list[OpenInvitation]:
        """Return the open invitations that a person has sent, the earliest first."""
        return self._select("invited_by = %s", (person_id,))

    def expired(self, now: datetime, most: int) -> list[UUID]:
        """Return invitations whose time has passed."""
        self._cursor.execute(
            "SELECT invitation_id FROM invitations WHERE expires_at <= %s"
            " ORDER BY expires_at LIMIT %s",
            (now, most),
        )
        return [row["invitation_id"] for row in self._cursor]

    def _select(self, condition: str, values: tuple[Any, ...]) -> list[OpenInvitation]:
        self._cursor.execute(
            "SELECT invitation_id, number, tenure, role, invited_by, email, sent_at, expires_at"
            f" FROM invitations WHERE {condition} ORDER BY sent_at, invitation_id",
            values,
        )
        return [OpenInvitation(**row) for row in self._cursor]


def _link(row: dict[str, Any]) -> Link:
    return Link(**{**row, "linked_at": row["linked_at"].isoformat()})

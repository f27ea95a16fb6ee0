"""The tables of accounts that events fill, and their queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
from msgspec.structs import replace

from services.accounts.auxiliary_tables import Attempts, Imports
from services.accounts.domain import (
    AccountLinked,
    AccountUnlinked,
    ContractAmended,
    ContractDetails,
    ContractRegistered,
    LinkedAccount,
    TenureClosed,
    TenureOpened,
)
from services.accounts.tenure_tables import Proofs, TenureKey, Tenures
from services.accounts.tenures import Tenure
from shared.eventstore import Aggregate, Recorded


class ReadModel:
    """Tenures and links, written in the transaction of their events.

    It gives access to the other tables, too: ``tenures``, ``proofs``, ``attempts``, ``imports``.
    """

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor
        self.tenures = Tenures(cursor)
        self.proofs = Proofs(cursor)
        self.attempts = Attempts(cursor)
        self.imports = Imports(cursor)

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        changes = TenureChanges()
        for record in recorded:
            match record.event:
                case AccountLinked() as linked:
                    self._cursor.execute(
                        "INSERT INTO links (person_id, number, proven_by, linked_at, position)"
                        " VALUES (%s, %s, %s, %s, %s)",
                        (
                            linked.person_id,
                            linked.number,
                            linked.proven_by,
                            record.recorded_at,
                            record.position,
                        ),
                    )
                case AccountUnlinked() as unlinked:
                    self._cursor.execute(
                        "DELETE FROM links WHERE person_id = %s AND number = %s",
                        (unlinked.person_id, unlinked.number),
                    )
                case _:
                    changes.note(record)
        self.tenures.end(changes.ended)
        self.tenures.amend(changes.amended.values())
        self.tenures.add(changes.added.values())

    def contract(self, number: str) -> ContractDetails | None:
        """Return the details of an account's newest tenure; None when there is none."""
        return self.contracts([number]).get(number)

    def contracts(self, numbers: Sequence[str]) -> dict[str, ContractDetails]:
        """Return the details of the newest tenures, without the accounts that have none."""
        found = self.tenures.current(numbers)
        return {number: tenure.details for number, tenure in found.items()}

    def linked(self, person_id: UUID) -> list[LinkedAccount]:
        """Return the accounts in a person's cabinet, the earliest linked first."""
        self._cursor.execute(
            "SELECT number, proven_by, linked_at FROM links WHERE person_id = %s ORDER BY position",
            (person_id,),
        )
        links = self._cursor.fetchall()
        details = self.contracts([row["number"] for row in links])
        return [
            LinkedAccount(
                number=row["number"],
                details=details[row["number"]],
                proven_by=row["proven_by"],
                linked_at=row["linked_at"].isoformat(),
            )
            for row in links
        ]

    def owned(self, person_id: UUID, numbers: Sequence[str]) -> set[str]:
        """Return those of the numbers that a person has linked."""
        self._cursor.execute(
            "SELECT number FROM links WHERE person_id = %s AND number = ANY(%s)",
            (person_id, list(numbers)),
        )
        return {row["number"] for row in self._cursor}

    def persons_linking(self, number: str) -> list[UUID]:
        """Return the persons who have linked an account, the earliest first."""
        self._cursor.execute(
            "SELECT person_id FROM links WHERE number = %s ORDER BY position", (number,)
        )
        return [row["person_id"] for row in self._cursor]


class TenureChanges:
    """What the events of one transaction change in the tenures."""

    def __init__(self) -> None:
        self.added: dict[TenureKey, Tenure] = {}
        self.amended: dict[TenureKey, Tenure] = {}
        self.ended: dict[TenureKey, tuple[date, int]] = {}

    def note(self, record: Recorded) -> None:
        """Take an event's changes into account."""
        version = record.originator_version
        match record.event:
            case ContractRegistered(number=number, since=since, details=details):
                self._add(number, 1, since, details, version)
            case TenureOpened(number=number, tenure=tenure, since=since, details=details):
                self._add(number, tenure, since, details, version)
            case ContractAmended(number=number, tenure=tenure, details=details):
                key = (number, tenure)
                if key in self.added:
                    self.added[key] = replace(self.added[key], details=details, version=version)
                else:
                    self.amended[key] = _tenure(number, tenure, None, details, version)
            case TenureClosed(number=number, tenure=tenure, until=until):
                key = (number, tenure)
                if key in self.added:
                    self.added[key] = replace(self.added[key], until=until, version=version)
                else:
                    self.ended[key] = (until, version)

    def _add(
        self, number: str, tenure: int, since: date | None, details: ContractDetails, version: int
    ) -> None:
        self.added[number, tenure] = _tenure(number, tenure, since, details, version)


def _tenure(
    number: str, tenure: int, since: date | None, details: ContractDetails, version: int
) -> Tenure:
    return Tenure(
        number=number, tenure=tenure, since=since, until=None, details=details, version=version
    )

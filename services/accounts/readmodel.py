"""The tables of accounts that events fill, and their queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg

from services.accounts.auxiliary_tables import Attempts, Bills, Imports
from services.accounts.domain import (
    AccountLinked,
    AccountUnlinked,
    ContractAmended,
    ContractDetails,
    ContractRegistered,
    LinkedAccount,
)
from shared.eventstore import Aggregate, Recorded

_DETAILS = "payer_kind, holder, address, residents, total_area, living_area, heated_area, els"


class ReadModel:
    """Contracts and links, written in the transaction of their events.

    It gives access to the auxiliary tables, too: ``bills``, ``attempts``, ``imports``.
    """

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor
        self.bills = Bills(cursor)
        self.attempts = Attempts(cursor)
        self.imports = Imports(cursor)

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        for record in recorded:
            match record.event:
                case (
                    ContractRegistered(number=number, details=details)
                    | ContractAmended(number=number, details=details)
                ):
                    self._keep_contract(number, details)
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

    def contract(self, number: str) -> ContractDetails | None:
        """Return the contract of an account; None when there is none."""
        return self.contracts([number]).get(number)

    def contracts(self, numbers: Sequence[str]) -> dict[str, ContractDetails]:
        """Return the contracts of these accounts, without those that have none."""
        self._cursor.execute(
            f"SELECT number, {_DETAILS} FROM contracts WHERE number = ANY(%s)",
            (list(numbers),),
        )
        return {row["number"]: _details(row) for row in self._cursor}

    def linked(self, person_id: UUID) -> list[LinkedAccount]:
        """Return the accounts in a person's cabinet, the earliest linked first."""
        self._cursor.execute(
            f"SELECT number, proven_by, linked_at, {_DETAILS}"
            " FROM links JOIN contracts USING (number)"
            " WHERE person_id = %s ORDER BY position",
            (person_id,),
        )
        return [
            LinkedAccount(
                number=row["number"],
                details=_details(row),
                proven_by=row["proven_by"],
                linked_at=row["linked_at"].isoformat(),
            )
            for row in self._cursor
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

    def _keep_contract(self, number: str, details: ContractDetails) -> None:
        self._cursor.execute(
            f"INSERT INTO contracts (number, {_DETAILS})"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (number) DO UPDATE SET payer_kind = excluded.payer_kind,"
            " holder = excluded.holder, address = excluded.address,"
            " residents = excluded.residents, total_area = excluded.total_area,"
            " living_area = excluded.living_area, heated_area = excluded.heated_area,"
            " els = excluded.els",
            (
                number,
                details.payer_kind,
                details.holder,
                details.address,
                details.residents,
                details.total_area,
                details.living_area,
                details.heated_area,
                details.els,
            ),
        )


def _details(row: Mapping[str, Any]) -> ContractDetails:
    return ContractDetails(
        payer_kind=row["payer_kind"],
        holder=row["holder"],
        address=row["address"],
        residents=row["residents"],
        total_area=_text(row["total_area"]),
        living_area=_text(row["living_area"]),
        heated_area=_text(row["heated_area"]),
        els=row["els"],
    )


def _text(area: object) -> str | None:
    # numeric keeps the digits that were written: 54.2 comes back as 54.2.
    return None if area is None else str(area)

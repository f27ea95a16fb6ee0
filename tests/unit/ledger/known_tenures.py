"""The tenures of numbers as a read model in memory knows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from services.ledger.domain import Account
from services.ledger.domain.tenures import Tenure
from shared.eventstore import Aggregate, Recorded


class KnownTenures:
    """The rows of ``tenures``."""

    def __init__(self) -> None:
        self.rows: dict[UUID, dict[str, Any]] = {}

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        for id_ in {entry.originator_id for entry in recorded}:
            account = aggregates[id_]
            if isinstance(account, Account) and (row := account.tenure_row()):
                self.rows[id_] = {
                    name: row[name] for name in ("number", "tenure", "since", "until")
                }

    def tenures(self, numbers: Collection[str]) -> dict[str, tuple[Tenure, ...]]:
        found: dict[str, tuple[Tenure, ...]] = {}
        for row in sorted(self.rows.values(), key=lambda row: int(row["tenure"])):
            if row["number"] in numbers:
                found[row["number"]] = (*found.get(row["number"], ()), Tenure(**row))
        return found

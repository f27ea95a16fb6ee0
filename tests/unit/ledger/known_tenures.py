"""The tenures of numbers, and those of other books, as a read model in memory knows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from services.ledger.domain import Account
from services.ledger.domain.tenures import Tenure
from shared.eventstore import Aggregate, Recorded


class KnownTenures:
    """The rows of ``tenures``; ``others`` are numbers that are not this book's, or not yet."""

    def __init__(self) -> None:
        self.rows: dict[UUID, dict[str, Any]] = {}
        self.others: dict[str, bool] = {}

    def strange(self, numbers: Collection[str]) -> Mapping[str, bool]:
        return {number: self.others[number] for number in numbers if number in self.others}

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

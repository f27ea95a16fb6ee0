"""The read model of accounts in dictionaries, for the store in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.accounts.contract_loading import BeginImport, FinishImport
from services.accounts.domain import (
    AccountLinked,
    AccountUnlinked,
    ContractAmended,
    ContractDetails,
    ContractRegistered,
    LinkedAccount,
)
from services.accounts.policy import Limit
from services.accounts.proof import BillDigests
from shared.eventstore import Aggregate, Recorded


class FakeBills:
    def __init__(self) -> None:
        self.kept: dict[str, BillDigests] = {}

    def of(self, numbers: Sequence[str]) -> dict[str, BillDigests]:
        return {number: self.kept[number] for number in numbers if number in self.kept}

    def keep(self, bills: Mapping[str, BillDigests], now: datetime) -> None:
        self.kept.update(bills)


class FakeAttempts:
    def __init__(self) -> None:
        self.counters: dict[tuple[str, UUID], tuple[datetime, int]] = {}

    def count(self, kind: str, subject: UUID, limit: Limit, now: datetime) -> tuple[int, int]:
        opened_at, made = self.counters.get((kind, subject), (now, 0))
        if opened_at <= now - limit.window:
            opened_at, made = now, 0
        self.counters[kind, subject] = (opened_at, made + 1)
        return made + 1, max(1, round((opened_at + limit.window - now).total_seconds()))

    def forget(self, before: datetime) -> int:
        old = [key for key, (opened_at, _) in self.counters.items() if opened_at < before]
        for key in old:
            del self.counters[key]
        return len(old)


class FakeImports:
    def __init__(self) -> None:
        self.begun: list[BeginImport] = []
        self.finished: list[FinishImport] = []

    def begin(self, command: BeginImport, now: datetime) -> None:
        self.begun.append(command)

    def finish(self, command: FinishImport, now: datetime) -> None:
        self.finished.append(command)


class FakeReadModel:
    def __init__(self) -> None:
        self.bills = FakeBills()
        self.attempts = FakeAttempts()
        self.imports = FakeImports()
        self._contracts: dict[str, ContractDetails] = {}
        self._links: list[tuple[AccountLinked, datetime]] = []

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        for record in recorded:
            match record.event:
                case ContractRegistered() | ContractAmended() as event:
                    self._contracts[event.number] = event.details
                case AccountLinked() as event:
                    self._links.append((event, record.recorded_at))
                case AccountUnlinked() as event:
                    self._links = [
                        (link, at)
                        for link, at in self._links
                        if (link.person_id, link.number) != (event.person_id, event.number)
                    ]

    def contract(self, number: str) -> ContractDetails | None:
        return self._contracts.get(number)

    def contracts(self, numbers: Sequence[str]) -> dict[str, ContractDetails]:
        return {number: self._contracts[number] for number in numbers if number in self._contracts}

    def linked(self, person_id: UUID) -> list[LinkedAccount]:
        return [
            LinkedAccount(
                number=link.number,
                details=self._contracts[link.number],
                proven_by=link.proven_by,
                linked_at=at.isoformat(),
            )
            for link, at in self._links
            if link.person_id == person_id
        ]

    def owned(self, person_id: UUID, numbers: Sequence[str]) -> set[str]:
        return {
            link.number
            for link, _ in self._links
            if link.person_id == person_id and link.number in numbers
        }

    def persons_linking(self, number: str) -> list[UUID]:
        return [link.person_id for link, _ in self._links if link.number == number]

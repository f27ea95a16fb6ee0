"""The read model of accounts in dictionaries, for the store in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from services.accounts.contract_loading import BeginImport, FinishImport
from services.accounts.domain import (
    AccountLinked,
    AccountUnlinked,
    ContractDetails,
    LinkedAccount,
)
from services.accounts.policy import Limit
from services.accounts.proof import ProofDigests
from services.accounts.readmodel import TenureChanges
from services.accounts.tenures import KeptProof, Tenure
from shared.eventstore import Aggregate, Recorded


class FakeProofs:
    def __init__(self, tenures: FakeTenures) -> None:
        self._tenures = tenures
        self.rows: dict[tuple[str, int], KeptProof] = {}

    def of(self, numbers: Sequence[str]) -> dict[str, ProofDigests]:
        return {
            number: self.rows[number, tenure.tenure].digests
            for number, tenure in self._tenures.current(numbers).items()
            if tenure.until is None and (number, tenure.tenure) in self.rows
        }

    def kept(self, numbers: Sequence[str]) -> dict[str, dict[int, ProofDigests]]:
        kept: dict[str, dict[int, ProofDigests]] = {}
        for (number, tenure), proof in self.rows.items():
            if number in numbers:
                kept.setdefault(number, {})[tenure] = proof.digests
        return kept

    def sealed_code(self, number: str) -> tuple[int, str] | None:
        if number not in self.of([number]):
            return None
        proof = self.rows[number, self._tenures.current([number])[number].tenure]
        return (proof.tenure, proof.sealed_code) if proof.sealed_code else None

    def keep(
        self, proofs: Sequence[KeptProof], replaced: Sequence[tuple[str, int]], now: datetime
    ) -> None:
        for key in replaced:
            del self.rows[key]
        self.rows.update({(proof.number, proof.tenure): proof for proof in proofs})


class FakeTenures:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], Tenure] = {}

    def apply(self, changes: TenureChanges) -> None:
        for key, (until, version) in changes.ended.items():
            self.rows[key] = replace(self.rows[key], until=until, version=version)
        for key, amended in changes.amended.items():
            version = max(self.rows[key].version, amended.version)
            self.rows[key] = replace(self.rows[key], details=amended.details, version=version)
        self.rows.update(changes.added)

    def current(self, numbers: Sequence[str]) -> dict[str, Tenure]:
        found = sorted(self.rows.items())
        return {number: tenure for (number, _), tenure in found if number in numbers}

    def of(self, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Tenure]:
        return {key: self.rows[key] for key in keys if key in self.rows}

    def history(self, number: str) -> list[Tenure]:
        return [tenure for key, tenure in sorted(self.rows.items()) if key[0] == number]

    def number_of_els(self, els: str) -> str | None:
        found = self.numbers_of_els([els]).get(els, [])
        return found[0] if len(found) == 1 else None

    def numbers_of_els(self, els: Sequence[str]) -> dict[str, list[str]]:
        numbers: dict[str, list[str]] = {}
        for tenure in self.rows.values():
            if tenure.until is None and tenure.details.els in els:
                numbers.setdefault(tenure.details.els or "", []).append(tenure.number)
        return numbers


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
        self.tenures = FakeTenures()
        self.proofs = FakeProofs(self.tenures)
        self.attempts = FakeAttempts()
        self.imports = FakeImports()
        self._links: list[tuple[AccountLinked, datetime]] = []

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        changes = TenureChanges()
        for record in recorded:
            match record.event:
                case AccountLinked() as event:
                    self._links.append((event, record.recorded_at))
                case AccountUnlinked() as event:
                    self._links = [
                        (link, at)
                        for link, at in self._links
                        if (link.person_id, link.number) != (event.person_id, event.number)
                    ]
                case _:
                    changes.note(record)
        self.tenures.apply(changes)

    def contract(self, number: str) -> ContractDetails | None:
        return self.contracts([number]).get(number)

    def contracts(self, numbers: Sequence[str]) -> dict[str, ContractDetails]:
        found = self.tenures.current(numbers)
        return {number: tenure.details for number, tenure in found.items()}

    def linked(self, person_id: UUID) -> list[LinkedAccount]:
        return [
            LinkedAccount(
                number=link.number,
                details=self.contracts([link.number])[link.number],
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

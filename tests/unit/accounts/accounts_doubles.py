"""The read model of accounts in dictionaries, for the store in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from services.accounts.cabinet import AccountLinked, AccountUnlinked, Link
from services.accounts.contract_loading import BeginImport, FinishImport
from services.accounts.invitation import (
    InvitationAccepted,
    InvitationEnded,
    InvitationSent,
    OpenInvitation,
)
from services.accounts.limiting import Attempt
from services.accounts.policy import Limit
from services.accounts.proof import ProofDigests
from services.accounts.readmodel import TenureChanges
from services.accounts.tenures import KeptProof, Tenure
from shared.eventstore import Aggregate, Recorded


class FakeProofs:
    def __init__(self, tenures: FakeTenures) -> None:
        self._tenures = tenures
        self.rows: dict[tuple[str, int], KeptProof] = {}
        self.gone: dict[str, set[tuple[int, str]]] = {}

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

    def spent(self, numbers: Sequence[str]) -> dict[str, set[tuple[int, str]]]:
        return {number: self.gone[number] for number in numbers if number in self.gone}

    def sealed_code(self, number: str) -> tuple[int, str] | None:
        if number not in self.of([number]):
            return None
        proof = self.rows[number, self._tenures.current([number])[number].tenure]
        return (proof.tenure, proof.sealed_code) if proof.sealed_code else None

    def keep(
        self, proofs: Sequence[KeptProof], replaced: Sequence[tuple[str, int]], now: datetime
    ) -> None:
        for number, tenure in replaced:
            digests = self.rows.pop((number, tenure)).digests
            for digest in (digests.control_code, digests.total_and_period):
                if digest is not None:
                    self.gone.setdefault(number, set()).add((tenure, digest))
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

    def lock(self, kind: str, subject: UUID, limit: Limit, now: datetime) -> tuple[int, int]:
        return self._add(0, kind, subject, limit, now)

    def count(self, kind: str, subject: UUID, limit: Limit, now: datetime) -> tuple[int, int]:
        return self._add(1, kind, subject, limit, now)

    def seen(self, kind: str, subject: UUID, limit: Limit, now: datetime) -> tuple[int, int]:
        return self._add(0, kind, subject, limit, now)

    def forget_person(self, person_id: UUID) -> None:
        self.counters = {key: made for key, made in self.counters.items() if key[1] != person_id}

    def forget(self, before: datetime) -> int:
        old = [key for key, (opened_at, _) in self.counters.items() if opened_at < before]
        for key in old:
            del self.counters[key]
        return len(old)

    def _add(
        self, more: int, kind: str, subject: UUID, limit: Limit, now: datetime
    ) -> tuple[int, int]:
        opened_at, made = self.counters.get((kind, subject), (now, 0))
        if opened_at <= now - limit.window:
            opened_at, made = now, 0
        self.counters[kind, subject] = (opened_at, made + more)
        return made + more, max(1, round((opened_at + limit.window - now).total_seconds()))


class FakeAttemptsLog:
    def __init__(self) -> None:
        self.rows: list[tuple[datetime, Attempt]] = []

    def add(self, attempt: Attempt, now: datetime) -> None:
        self.rows.append((now, attempt))

    def forget_person(self, person_id: UUID) -> None:
        self.rows = [(at, one) for at, one in self.rows if one.person_id != person_id]

    def of_person(self, person_id: UUID) -> list[dict[str, Any]]:
        return [
            one for one in self.newest(None, len(self.rows)) if one["person_id"] == str(person_id)
        ]

    def newest(self, number: str | None, most: int) -> list[dict[str, Any]]:
        return [
            {"person_id": str(one.person_id), "number": one.number, "outcome": one.outcome}
            for _, one in reversed(self.rows)
            if number in (None, one.number)
        ][:most]


class FakeLinks:
    def __init__(self) -> None:
        self.rows: list[Link] = []
        self.done: list[str] = []
        """Locks and reads in the order in which they were asked for."""

    def lock_cabinet(self, person_id: UUID) -> None:
        """One transaction at a time: there is nobody to lock out."""
        self.done.append("lock of a cabinet")

    def lock_account(self, number: str) -> None:
        """One transaction at a time: there is nobody to lock out."""
        self.done.append("lock of the account")

    def add(self, event: AccountLinked, recorded_at: datetime) -> None:
        self.rows.append(
            Link(
                person_id=event.person_id,
                number=event.number,
                tenure=event.tenure,
                role=event.role,
                proven_by=event.proven_by,
                invited_by=event.invited_by,
                linked_at=recorded_at.isoformat(),
            )
        )

    def remove(self, event: AccountUnlinked) -> None:
        gone = (event.person_id, event.number, event.tenure)
        self.rows = [one for one in self.rows if (one.person_id, one.number, one.tenure) != gone]

    def of_person(self, person_id: UUID, numbers: Sequence[str] | None = None) -> list[Link]:
        self.done.append("read")
        found = [
            one
            for one in self.rows
            if one.person_id == person_id and (numbers is None or one.number in numbers)
        ]
        newest = {one.number: one for one in sorted(found, key=lambda one: one.tenure)}
        return [one for one in found if newest[one.number] is one]

    def every_of_person(self, person_id: UUID) -> list[Link]:
        self.done.append("read")
        return [one for one in self.rows if one.person_id == person_id]

    def of_tenure(self, number: str, tenure: int) -> list[Link]:
        self.done.append("read")
        return [one for one in self.rows if (one.number, one.tenure) == (number, tenure)]

    def of_tenures(self, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], list[Link]]:
        self.done.append("read")
        found: dict[tuple[str, int], list[Link]] = {}
        for one in self.rows:
            if (one.number, one.tenure) in keys:
                found.setdefault((one.number, one.tenure), []).append(one)
        return found

    def of_number(self, number: str) -> list[Link]:
        self.done.append("read")
        found = [one for one in self.rows if one.number == number]
        return sorted(found, key=lambda one: -one.tenure)


class FakeInvitations:
    def __init__(self) -> None:
        self.rows: dict[UUID, OpenInvitation] = {}

    def add(self, event: InvitationSent, recorded_at: datetime) -> None:
        self.rows[event.invitation_id] = OpenInvitation(
            invitation_id=event.invitation_id,
            number=event.number,
            tenure=event.tenure,
            role=event.role,
            invited_by=event.invited_by,
            email=event.email,
            sent_at=recorded_at,
            expires_at=event.expires_at,
        )

    def remove(self, invitation_id: UUID) -> None:
        self.rows.pop(invitation_id, None)

    def find(self, invitation_id: UUID) -> OpenInvitation | None:
        return self.rows.get(invitation_id)

    def of_tenure(self, number: str, tenure: int) -> list[OpenInvitation]:
        return [one for one in self.rows.values() if (one.number, one.tenure) == (number, tenure)]

    def sent_by(self, person_id: UUID) -> list[OpenInvitation]:
        return [one for one in self.rows.values() if one.invited_by == person_id]

    def expired(self, now: datetime, most: int) -> list[UUID]:
        return [one.invitation_id for one in self.rows.values() if one.expires_at <= now][:most]


class FakeImports:
    def __init__(self) -> None:
        self.begun: list[BeginImport] = []
        self.finished: list[FinishImport] = []

    def be_patient(self) -> None:
        """Nothing is locked in memory."""

    def begin(self, command: BeginImport, now: datetime) -> None:
        self.begun.append(command)

    def finish(self, command: FinishImport, now: datetime) -> None:
        self.finished.append(command)


class FakeReadModel:
    def __init__(self) -> None:
        self.tenures = FakeTenures()
        self.proofs = FakeProofs(self.tenures)
        self.links = FakeLinks()
        self.invitations = FakeInvitations()
        self.attempts = FakeAttempts()
        self.attempts_log = FakeAttemptsLog()
        self.imports = FakeImports()

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        changes = TenureChanges()
        for record in recorded:
            match record.event:
                case AccountLinked() as event:
                    self.links.add(event, record.recorded_at)
                case AccountUnlinked() as event:
                    self.links.remove(event)
                case InvitationSent() as event:
                    self.invitations.add(event, record.recorded_at)
                case InvitationAccepted() | InvitationEnded() as event:
                    self.invitations.remove(event.invitation_id)
                case _:
                    changes.note(record)
        self.tenures.apply(changes)

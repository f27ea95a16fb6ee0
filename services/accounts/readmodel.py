"""The tables of accounts that events fill, and their queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
from msgspec.structs import replace

from services.accounts.access_tables import Invitations, Links
from services.accounts.attempt_tables import Attempts, AttemptsLog
from services.accounts.auxiliary_tables import Imports
from services.accounts.cabinet import AccountLinked, AccountUnlinked
from services.accounts.domain import (
    ContractAmended,
    ContractDetails,
    ContractRegistered,
    TenureClosed,
    TenureOpened,
)
from services.accounts.invitation import InvitationAccepted, InvitationEnded, InvitationSent
from services.accounts.tenure_tables import Proofs, TenureKey, Tenures
from services.accounts.tenures import Tenure
from shared.eventstore import Aggregate, Recorded


class ReadModel:
    """The tables of accounts: those of events are written in the transaction of the events."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor
        self.tenures = Tenures(cursor)
        self.proofs = Proofs(cursor)
        self.links = Links(cursor)
        self.invitations = Invitations(cursor)
        self.attempts = Attempts(cursor)
        self.attempts_log = AttemptsLog(cursor)
        self.imports = Imports(cursor)

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        changes = TenureChanges()
        for record in recorded:
            match record.event:
                case AccountLinked() as linked:
                    self.links.add(linked, record.recorded_at, record.position)
                case AccountUnlinked() as unlinked:
                    self.links.remove(unlinked)
                case InvitationSent() as sent:
                    self.invitations.add(sent, record.recorded_at)
                case InvitationAccepted() | InvitationEnded() as ended:
                    self.invitations.remove(ended.invitation_id)
                case _:
                    changes.note(record)
        self.tenures.end(changes.ended)
        self.tenures.amend(changes.amended.values())
        self.tenures.add(changes.added.values())


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

"""Identity's tables as dictionaries, for the in-memory store; they behave like the SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from factor_doubles import FakeSecondFactors
from identity_link_doubles import FakeEmailChanges, FakePasswordResets
from sign_in_doubles import FakeAttempts, FakeDevices, FakeNetworks, FakeSignInLinks

from services.identity.codes import Code
from services.identity.credentials import Credential
from services.identity.domain import (
    DocumentsAccepted,
    EmailChanged,
    LanguageChosen,
    PersonErased,
    PersonRegistered,
    ProfileChanged,
)
from services.identity.farewells import Farewell
from services.identity.readmodel import PersonRow, PersonState
from services.identity.sessions import SignedIn
from services.identity.subscribers import Subscriber
from shared.eventstore import Aggregate, Recorded


class FakeCredentials:
    def __init__(self) -> None:
        self.rows: dict[UUID, Credential] = {}
        self.sent: dict[UUID, bytes] = {}

    def sent_password(self, person_id: UUID) -> bytes | None:
        return self.sent.get(person_id)

    def claim(self, person_id: UUID, email_index: bytes) -> bool:
        if person_id in self.rows or self.of_email(email_index) is not None:
            return False
        self.rows[person_id] = Credential(
            person_id=person_id,
            email_index=email_index,
            password_hash=None,
            temporary=True,
            expires_at=None,
        )
        return True

    def of_email(self, email_index: bytes) -> Credential | None:
        found = [row for row in self.rows.values() if row.email_index == email_index]
        return found[0] if found else None

    def of_person(self, person_id: UUID) -> Credential | None:
        return self.rows.get(person_id)

    lock = of_person

    def set_temporary(
        self, person_id: UUID, password_hash: str, fingerprint: bytes, expires_at: datetime
    ) -> None:
        self.sent[person_id] = fingerprint
        self._change(person_id, password_hash=password_hash, temporary=True, expires_at=expires_at)

    def set_email(self, person_id: UUID, email_index: bytes) -> bool:
        holder = self.of_email(email_index)
        if holder is not None and holder.person_id != person_id:
            return False
        self._change(person_id, email_index=email_index)
        return True

    def set_chosen(self, person_id: UUID, password_hash: str) -> None:
        self._change(person_id, password_hash=password_hash, temporary=False, expires_at=None)

    def rehash(self, person_id: UUID, password_hash: str) -> None:
        self._change(person_id, password_hash=password_hash)

    def _change(self, person_id: UUID, **changes: object) -> None:
        self.rows[person_id] = msgspec.structs.replace(self.rows[person_id], **changes)


class FakeCodes:
    def __init__(self) -> None:
        self.rows: dict[UUID, Code] = {}
        self.opened: dict[UUID, tuple[str, datetime]] = {}

    def open(
        self,
        owner_id: UUID,
        purpose: str,
        email_index: bytes,
        *,
        attempts: int,
        now: datetime,
        expires_at: datetime,
        long: bool,
    ) -> None:
        assert owner_id not in self.rows
        self.opened[owner_id] = (purpose, now)
        self.rows[owner_id] = Code(
            owner_id=owner_id,
            email_index=email_index,
            digest=None,
            expires_at=expires_at,
            attempts_left=attempts,
            long=long,
        )

    def _change(self, owner_id: UUID, **changes: object) -> None:
        self.rows[owner_id] = msgspec.structs.replace(self.rows[owner_id], **changes)

    def set_long(self, owner_id: UUID, *, long: bool) -> None:
        self._change(owner_id, long=long)

    def readdress(self, owner_id: UUID, email_index: bytes) -> None:
        self._change(owner_id, email_index=email_index, digest=None)

    def issue(
        self, owner_id: UUID, digest: bytes | None, *, attempts: int, expires_at: datetime
    ) -> None:
        self._change(
            owner_id,
            digest=digest,
            attempts_left=attempts,
            expires_at=expires_at,
            sent_long=self.rows[owner_id].long,
        )

    def lock(self, owner_id: UUID) -> Code | None:
        return self.rows.get(owner_id)

    def miss(self, owner_id: UUID) -> None:
        row = self.rows[owner_id]
        self._change(owner_id, attempts_left=row.attempts_left - 1, wrong=row.wrong + 1)

    def drop(self, owner_id: UUID) -> bool:
        return self.rows.pop(owner_id, None) is not None

    def of_email(self, email_index: bytes, purpose: str) -> list[UUID]:
        assert purpose == "registration"
        return [code.owner_id for code in self.rows.values() if code.email_index == email_index]

    def newest_of(self, email_index: bytes, purpose: str) -> UUID | None:
        of_address = [
            owner
            for owner, row in self.rows.items()
            if row.email_index == email_index and self.opened[owner][0] == purpose
        ]
        return max(of_address, key=lambda owner: self.opened[owner][1], default=None)

    def opened_before(self, purpose: str, instant: datetime, most: int) -> list[UUID]:
        waiting = [
            owner
            for owner in self.rows
            if self.opened[owner][0] == purpose and self.opened[owner][1] < instant
        ]
        return sorted(waiting, key=lambda owner: self.opened[owner][1])[:most]


class FakeSessions:
    def __init__(self, credentials: FakeCredentials) -> None:
        self.rows: dict[UUID, SignedIn] = {}
        self.tokens: dict[UUID, bytes] = {}
        self.accepted: dict[UUID, dict[str, str]] = {}
        self.types: dict[UUID, str] = {}
        self._credentials = credentials

    def open(
        self,
        session_id: UUID,
        person_id: UUID,
        token_digest: bytes,
        *,
        device: str,
        device_digest: bytes,
        network_index: bytes,
        how: str,
        now: datetime,
        expires_at: datetime,
        second_step_at: datetime | None,
    ) -> None:
        self.tokens[session_id] = token_digest
        self.rows[session_id] = SignedIn(
            session_id=session_id,
            person_id=person_id,
            device=device,
            device_digest=device_digest,
            network_index=network_index,
            how=how,
            created_at=now,
            last_seen_at=now,
            expires_at=expires_at,
            second_step_at=second_step_at,
            temporary=False,
            person_type="",
            **self.accepted[person_id],
        )

    def _live(self, now: datetime, idle: timedelta) -> list[SignedIn]:
        return [
            msgspec.structs.replace(
                row,
                temporary=self._credentials.rows[row.person_id].temporary,
                person_type=self.types[row.person_id],
                **self.accepted[row.person_id],
            )
            for row in self.rows.values()
            if row.expires_at > now and row.last_seen_at > now - idle
        ]

    def of_token(self, token_digest: bytes, now: datetime, idle: timedelta) -> SignedIn | None:
        return self.of_tokens([token_digest], now, idle).get(token_digest)

    def of_tokens(
        self, token_digests: Sequence[bytes], now: datetime, idle: timedelta
    ) -> dict[bytes, SignedIn]:
        live = {self.tokens[row.session_id]: row for row in self._live(now, idle)}
        return {digest: live[digest] for digest in token_digests if digest in live}

    def of_person(self, person_id: UUID, now: datetime, idle: timedelta) -> list[SignedIn]:
        live = [row for row in self._live(now, idle) if row.person_id == person_id]
        return sorted(live, key=lambda row: row.last_seen_at, reverse=True)

    def seen(self, session_id: UUID, now: datetime) -> None:
        self.rows[session_id] = msgspec.structs.replace(self.rows[session_id], last_seen_at=now)

    def second_step_taken(self, session_id: UUID, now: datetime) -> None:
        self.rows[session_id] = msgspec.structs.replace(self.rows[session_id], second_step_at=now)

    def extend(self, session_id: UUID, expires_at: datetime) -> None:
        row = self.rows[session_id]
        self.rows[session_id] = msgspec.structs.replace(row, expires_at=expires_at)

    def renew_token(self, session_id: UUID, token_digest: bytes) -> None:
        self.tokens[session_id] = token_digest

    def end(self, person_id: UUID, session_id: UUID) -> bool:
        row = self.rows.get(session_id)
        if row is None or row.person_id != person_id:
            return False
        del self.rows[session_id]
        return True

    def end_all(self, person_id: UUID, *, but: UUID | None = None) -> None:
        for row in list(self.rows.values()):
            if row.person_id == person_id and row.session_id != but:
                del self.rows[row.session_id]

    def sweep(self, now: datetime, idle: timedelta) -> int:
        live = {row.session_id for row in self._live(now, idle)}
        dead = [session_id for session_id in self.rows if session_id not in live]
        for session_id in dead:
            del self.rows[session_id]
        return len(dead)


class FakeSubscribers:
    def __init__(self) -> None:
        self.rows: dict[str, Subscriber] = {}

    def put(
        self, name: str, token_digest: bytes, grants: Sequence[str], *, persons: bool, **_: str
    ) -> None:
        self.rows[name] = Subscriber(
            name=name,
            token_digest=token_digest,
            grants=list(grants),
            persons=persons,
            created_at=datetime(2026, 11, 1, tzinfo=UTC),
            last_used_at=None,
        )

    def of_token(self, token_digest: bytes) -> Subscriber | None:
        found = [row for row in self.rows.values() if row.token_digest == token_digest]
        return found[0] if found else None

    def used(self, name: str, now: datetime) -> None:
        self.rows[name] = msgspec.structs.replace(self.rows[name], last_used_at=now)

    def remove(self, name: str, reason: str) -> bool:
        return self.rows.pop(name, None) is not None


class FakeFarewells:
    def __init__(self) -> None:
        self.rows: dict[UUID, tuple[Farewell, datetime]] = {}

    def keep(self, person_id: UUID, farewell: Farewell, until: datetime) -> None:
        self.rows[person_id] = (farewell, until)

    def take(self, person_id: UUID, until: datetime) -> Farewell | None:
        if person_id not in self.rows:
            return None
        farewell, kept_until = self.rows[person_id]
        self.rows[person_id] = (farewell, min(until, kept_until))
        return farewell

    def expire(self, now: datetime, most: int) -> list[UUID]:
        over = [person for person, (_, until) in self.rows.items() if until <= now][:most]
        for person in over:
            del self.rows[person]
        return over


class FakePersonRows:
    def __init__(self, read: FakeReadModel) -> None:
        self._read = read

    def delete(self, person_id: UUID, email_index: bytes | None) -> None:
        read = self._read
        read.credentials.rows.pop(person_id, None)
        read.sessions.end_all(person_id)
        for known in [key for key in read.support_codes.rows if key[1] == person_id]:
            del read.support_codes.rows[known]
        for key in list(read.attempts.rows):
            if key[1] in (person_id.bytes, email_index):
                del read.attempts.rows[key]


class FakeSupportCodes:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, UUID], datetime] = {}

    def note(self, code: str, person_id: UUID, now: datetime, most: int) -> None:
        self.rows[code, person_id] = now
        own = sorted((at, key) for key, at in self.rows.items() if key[1] == person_id)
        for _, key in own[:-most]:
            del self.rows[key]

    def of_person(self, person_id: UUID) -> list[tuple[str, datetime]]:
        return [(code, at) for (code, who), at in self.rows.items() if who == person_id]

    def persons_of(self, code: str) -> list[UUID]:
        found = [(at, person_id) for (known, person_id), at in self.rows.items() if known == code]
        return [person_id for _, person_id in sorted(found, reverse=True)]

    def sweep(self, before: datetime) -> int:
        old = [key for key, at in self.rows.items() if at < before]
        for key in old:
            del self.rows[key]
        return len(old)


class FakeReadModel:
    def __init__(self) -> None:
        self.subscribers = FakeSubscribers()
        self.credentials = FakeCredentials()
        self.codes = FakeCodes()
        self.sessions = FakeSessions(self.credentials)
        self.attempts = FakeAttempts()
        self.support_codes = FakeSupportCodes()
        self.states: dict[UUID, PersonState] = {}
        self.password_resets = FakePasswordResets()
        self.email_changes = FakeEmailChanges()
        self.devices = FakeDevices()
        self.networks = FakeNetworks()
        self.sign_in_links = FakeSignInLinks()
        self.second_factors = FakeSecondFactors()
        self.persons: dict[UUID, PersonRow] = {}
        self.farewells = FakeFarewells()
        self.person_rows = FakePersonRows(self)

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        for entry in recorded:
            who = entry.originator_id
            match entry.event:
                case PersonRegistered() as event:
                    self.persons[who] = PersonRow(
                        person_id=who,
                        person_type=event.person_type,
                        email=event.email,
                        language=event.language,
                        organisation=event.organisation,
                        full_name=None,
                        phone=None,
                    )
                    self.states[who] = PersonState(
                        person_type=event.person_type,
                        registered_at=entry.recorded_at,
                        rules_version=event.rules_version,
                        consent_version=event.consent_version,
                        erased=False,
                    )
                    self.sessions.types[who] = event.person_type
                    self.sessions.accepted[who] = {
                        "rules_version": event.rules_version,
                        "consent_version": event.consent_version,
                    }
                case DocumentsAccepted() as event:
                    for name in ("rules_version", "consent_version"):
                        self.sessions.accepted[who][name] = (
                            getattr(event, name) or self.sessions.accepted[who][name]
                        )
                case ProfileChanged() as event:
                    given = {"full_name": event.full_name, "phone": event.phone}
                    changes = {name: text for name, text in given.items() if text is not None}
                    self.persons[who] = msgspec.structs.replace(self.persons[who], **changes)
                case LanguageChosen(language=language):
                    self.persons[who] = msgspec.structs.replace(
                        self.persons[who], language=language
                    )
                case EmailChanged(email=email):
                    self.persons[who] = msgspec.structs.replace(self.persons[who], email=email)
                case PersonErased():
                    del self.persons[who]
                    self.states[who] = msgspec.structs.replace(self.states[who], erased=True)

    def person(self, person_id: UUID) -> PersonRow | None:
        return self.persons.get(person_id)

    def persons_of(self, person_ids: Sequence[UUID]) -> list[PersonRow]:
        return [row for key, row in self.persons.items() if key in person_ids]

    def state_of(self, person_id: UUID) -> PersonState | None:
        return self.states.get(person_id)

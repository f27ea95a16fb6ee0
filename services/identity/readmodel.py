"""Identity's tables: ``persons`` is derived from the events, the others are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg

from services.identity.attempts import Attempts
from services.identity.codes import Codes
from services.identity.credentials import Credentials
from services.identity.domain import (
    DocumentsAccepted,
    EmailChanged,
    LanguageChosen,
    PersonErased,
    PersonRegistered,
    ProfileChanged,
)
from services.identity.email_changes import EmailChanges
from services.identity.farewells import Farewells
from services.identity.password_resets import PasswordResets
from services.identity.person_rows import PersonRows
from services.identity.places import Devices, Networks
from services.identity.second_factors import SecondFactors
from services.identity.sessions import Sessions
from services.identity.sign_in_links import SignInLinks
from services.identity.subscribers import Subscribers
from services.identity.support_codes import SupportCodes
from shared.eventstore import Aggregate, Recorded


class PersonRow(msgspec.Struct, frozen=True, kw_only=True):
    """A person as shown in the settings; texts are sealed, an empty one is cleared."""

    person_id: UUID
    person_type: str
    email: str
    language: str
    organisation: str | None
    full_name: str | None
    phone: str | None


_PERSON: Final = ", ".join(PersonRow.__struct_fields__)


class PersonState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a person beside personal data; it stays when the person is erased."""

    person_type: str
    registered_at: datetime
    rules_version: str
    consent_version: str
    erased: bool


class ReadModel:
    """Identity's tables within one transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor
        self.credentials = Credentials(cursor)
        self.codes = Codes(cursor)
        self.sessions = Sessions(cursor)
        self.attempts = Attempts(cursor)
        self.password_resets = PasswordResets(cursor)
        self.email_changes = EmailChanges(cursor)
        self.subscribers = Subscribers(cursor)
        self.support_codes = SupportCodes(cursor)
        self.devices = Devices(cursor)
        self.networks = Networks(cursor)
        self.sign_in_links = SignInLinks(cursor)
        self.second_factors = SecondFactors(cursor)
        self.farewells = Farewells(cursor)
        self.person_rows = PersonRows(cursor)

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        """Apply events to ``persons``."""
        for entry in recorded:
            match entry.event:
                case PersonRegistered() as event:
                    self._registered(entry, event)
                case DocumentsAccepted() as event:
                    self._cursor.execute(
                        "UPDATE persons SET rules_version = coalesce(%s, rules_version),"
                        " consent_version = coalesce(%s, consent_version) WHERE person_id = %s",
                        (event.rules_version, event.consent_version, entry.originator_id),
                    )
                case ProfileChanged() as event:
                    self._cursor.execute(
                        "UPDATE persons SET full_name = coalesce(%s, full_name),"
                        " phone = coalesce(%s, phone) WHERE person_id = %s",
                        (event.full_name, event.phone, entry.originator_id),
                    )
                case LanguageChosen(language=language):
                    self._cursor.execute(
                        "UPDATE persons SET language = %s WHERE person_id = %s",
                        (language, entry.originator_id),
                    )
                case EmailChanged(email=email):
                    self._cursor.execute(
                        "UPDATE persons SET email = %s WHERE person_id = %s",
                        (email, entry.originator_id),
                    )
                case PersonErased():
                    self._cursor.execute(
                        "UPDATE persons SET erased = true WHERE person_id = %s",
                        (entry.originator_id,),
                    )

    def _registered(self, entry: Recorded, event: PersonRegistered) -> None:
        self._cursor.execute(
            "INSERT INTO persons (person_id, person_type, registered_at, rules_version,"
            " consent_version, email, organisation, language)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                entry.originator_id,
                event.person_type,
                entry.recorded_at,
                event.rules_version,
                event.consent_version,
                event.email,
                event.organisation,
                event.language,
            ),
        )

    def person(self, person_id: UUID) -> PersonRow | None:
        """Return a person who is not erased."""
        row = self._cursor.execute(
            f"SELECT {_PERSON} FROM persons WHERE person_id = %s AND NOT erased",
            (person_id,),
        ).fetchone()
        return None if row is None else PersonRow(**row)

    def persons_of(self, person_ids: Sequence[UUID]) -> list[PersonRow]:
        """Return those of these persons who are not erased."""
        self._cursor.execute(
            f"SELECT {_PERSON} FROM persons WHERE person_id = ANY(%s) AND NOT erased",
            (list(person_ids),),
        )
        return [PersonRow(**row) for row in self._cursor]

    def state_of(self, person_id: UUID) -> PersonState | None:
        """Return what is known of a person, erased or not, beside personal data."""
        row = self._cursor.execute(
            "SELECT person_type, registered_at, rules_version, consent_version, erased FROM persons"
            " WHERE person_id = %s",
            (person_id,),
        ).fetchone()
        return None if row is None else PersonState(**row)

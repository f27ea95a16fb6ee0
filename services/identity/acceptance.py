"""The use case of a person who accepts a new version of the rules or the consent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from services.identity.commands import Command
from services.identity.documents import Documents
from services.identity.domain import DocumentsAccepted, Person
from shared.eventstore import Session


class AcceptDocuments(Command, frozen=True, kw_only=True):
    """The versions that a person saw and accepts; None for a document that is not in question."""

    person_id: UUID
    rules_version: str | None
    consent_version: str | None
    ip: str


def document_acceptor(
    documents: Documents,
) -> Callable[[Session, AcceptDocuments], dict[str, Any]]:
    """Return the use case that accepts new versions, given the documents."""

    def accept_documents(session: Session, command: AcceptDocuments) -> dict[str, Any]:
        """Record that a person accepts new versions of the rules or the consent; return {}.

        Raises Conflict ``documents_changed`` for a version that is not in force, NotFound
        ``person_not_found``.
        """
        seen = {"rules": command.rules_version, "consent": command.consent_version}
        documents.must_be_in_force(seen, session.today)
        person = session.load(Person, command.person_id)
        person.must_exist()
        person.accept_documents(
            DocumentsAccepted(
                rules_version=command.rules_version,
                consent_version=command.consent_version,
                accepted_at=session.now,
                accepted_from=session.vault.seal(person.id, command.ip, "address"),
            )
        )
        return {}

    return accept_documents

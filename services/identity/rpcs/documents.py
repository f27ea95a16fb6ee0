"""The RPCs of the rules, the consent and the instruction."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity import acceptance, schemas
from services.identity.documents import described
from services.identity.rpcs.base import IP, IdentityRpcs
from shared.config import GATEWAY
from shared.rpc.server import rpc


class DocumentRpcs(IdentityRpcs):
    """Reading documents, and accepting new versions."""

    @rpc(schemas.FindDocument, callers=(GATEWAY, "notifications"))
    def document(self, kind: str, version: str | None) -> dict[str, Any]:
        documents, today = self._documents, self.store.clock.today()
        return described(documents.find(kind, version, today), documents, today)

    @rpc(schemas.AcceptDocuments, callers=(GATEWAY,))
    def accept_documents(
        self, person_id: UUID, rules_version: str | None, consent_version: str | None, ip: IP
    ) -> dict[str, Any]:
        command = acceptance.AcceptDocuments(
            person_id=person_id,
            rules_version=rules_version,
            consent_version=consent_version,
            ip=str(ip),
        )
        return self.store.execute(acceptance.document_acceptor(self._documents), command)

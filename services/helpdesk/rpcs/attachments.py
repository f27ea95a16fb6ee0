"""The RPCs of attachments: a file travels in parts, and nobody holds it whole."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any
from uuid import UUID

from services.helpdesk import application, attachments
from services.helpdesk import attachment_schemas as schemas
from services.helpdesk.attachment import Attachment, owned_by_person
from services.helpdesk.attachments import AddPart, BeginUpload, FinishUpload, UploadUseCases
from services.helpdesk.malware_scan import Scanner
from services.helpdesk.rpcs.base import HelpdeskRpcs
from services.helpdesk.upload_folder import UploadFolder
from shared import context
from shared.config import GATEWAY
from shared.errors import ValidationFailed
from shared.eventstore import Session
from shared.rpc.callers import staff
from shared.rpc.server import SettingsProvider, rpc


class AttachmentRpcs(HelpdeskRpcs):
    """Files of persons, by the gateway; files of staff, by their terminal."""

    settings = SettingsProvider()

    @property
    def _uploads(self) -> UploadUseCases:
        folder = UploadFolder(self.settings.uploads_dir, self.settings.uploads_free_bytes)
        return UploadUseCases(folder, self.directory.limits.attachments_per_day)

    @rpc(schemas.BeginUpload, callers=(GATEWAY,))
    def begin_upload(self, person_id: UUID, name: str) -> dict[str, Any]:
        """Return ``{attachment_id, part_bytes, max_bytes}``; see `attachments`."""
        return self._begin(owned_by_person(person_id), name)

    @rpc(schemas.UploadPart, callers=(GATEWAY,))
    def upload_part(
        self, person_id: UUID, attachment_id: UUID, index: int, content: str
    ) -> dict[str, Any]:
        """Return ``{parts, size}``; a part that came before has no further effect."""
        return self._add(owned_by_person(person_id), attachment_id, index, content)

    @rpc(schemas.FinishUpload, callers=(GATEWAY,))
    def finish_upload(self, person_id: UUID, attachment_id: UUID, sha256: str) -> dict[str, Any]:
        """Return ``{attachment_id, name, media_type, size, sha256}``."""
        return self._finish(owned_by_person(person_id), attachment_id, sha256)

    @rpc(schemas.AttachmentOf, callers=(GATEWAY,))
    def attachment(self, person_id: UUID, question_id: UUID, attachment_id: UUID) -> dict[str, Any]:
        """Return ``{attachment_id, name, media_type, size, sha256, parts}`` of a person's file."""

        def read(session: Session) -> dict[str, Any]:
            application.question_of(session, question_id, person_id)
            found = attachments.of_question(session, question_id, attachment_id)
            return {**attachments.described(session, found), "parts": found.parts}

        result: dict[str, Any] = self.store.query(read)
        return result

    @rpc(schemas.AttachmentPart, callers=(GATEWAY,))
    def attachment_part(
        self, person_id: UUID, question_id: UUID, attachment_id: UUID, index: int
    ) -> dict[str, Any]:
        """Return ``{content}``, a part in base64."""

        def find(session: Session) -> tuple[Attachment, bytes]:
            application.question_of(session, question_id, person_id)
            found = attachments.of_question(session, question_id, attachment_id)
            return attachments.with_key(session, found)

        found, key = self.store.query(find)
        return self._part(found, key, index)

    @rpc(schemas.BeginAnswerFile, callers=(staff("answer"),))
    def begin_answer_file(self, name: str) -> dict[str, Any]:
        """Return ``{attachment_id, part_bytes, max_bytes}`` of a file for an answer."""
        return self._begin(context.current().actor, name)

    @rpc(schemas.AnswerFilePart, callers=(staff("answer"),))
    def answer_file_part(self, attachment_id: UUID, index: int, content: str) -> dict[str, Any]:
        """Return ``{parts, size}``, as `upload_part` does."""
        return self._add(context.current().actor, attachment_id, index, content)

    @rpc(schemas.FinishAnswerFile, callers=(staff("answer"),))
    def finish_answer_file(self, attachment_id: UUID, sha256: str) -> dict[str, Any]:
        """Return what `finish_upload` does."""
        return self._finish(context.current().actor, attachment_id, sha256)

    @rpc(schemas.AnyAttachment, callers=(staff("read"),))
    def any_attachment(self, question: str, number: int) -> dict[str, Any]:
        """Return a file of anybody's question, with its parts; the security log has who."""

        def read(session: Session, question: str) -> dict[str, Any]:
            found = application.file_shown_to_staff(session, question, number)
            return {**attachments.described(session, found), "parts": found.parts}

        result: dict[str, Any] = self.store.transact(read, question)
        return result

    @rpc(schemas.AnyAttachmentPart, callers=(staff("read"),))
    def any_attachment_part(self, question: str, number: int, index: int) -> dict[str, Any]:
        """Return ``{content}``, a part in base64."""

        def find(session: Session, question: str) -> tuple[Attachment, bytes]:
            found = application.file_shown_to_staff(session, question, number)
            return attachments.with_key(session, found)

        found, key = self.store.transact(find, question)
        return self._part(found, key, index)

    def _begin(self, owner: str, name: str) -> dict[str, Any]:
        command = BeginUpload(owner=owner, name=name)
        result: dict[str, Any] = self.store.transact(self._uploads.begin, command)
        return result

    def _add(self, owner: str, attachment_id: UUID, index: int, content: str) -> dict[str, Any]:
        command = AddPart(
            owner=owner,
            attachment_id=attachment_id,
            index=index,
            content=attachments.decoded(content),
        )
        result: dict[str, Any] = self.store.transact(self._uploads.add_part, command)
        return result

    def _finish(self, owner: str, attachment_id: UUID, sha256: str) -> dict[str, Any]:
        command = FinishUpload(owner=owner, attachment_id=attachment_id, sha256=sha256)
        scanner = Scanner(self.settings.uploads_scanner)
        if scanner.is_set:
            self._scan(scanner, command)
        result: dict[str, Any] = self.store.transact(self._uploads.finish, command)
        return result

    def _scan(self, scanner: Scanner, command: FinishUpload) -> None:
        """Ask the scanner about a file, outside of transactions.

        Raises ValidationFailed ``attachment_infected``, Conflict ``attachment_incomplete`` where
        what was checked is not what was sent, Unavailable ``attachment_unchecked``.
        """
        waiting = self.store.query(lambda session: self._uploads.unfinished(session, command))
        if waiting is None:
            return
        found, key = waiting
        digest = hashlib.sha256()
        if not scanner.is_clean(self._uploads.parts(found, key, digest.update)):
            self.store.transact(self._uploads.drop, command)
            raise ValidationFailed(
                "attachment_infected", "The scanner has found malware in the file; it is not kept."
            )
        # `finish` compares what it takes with the same digest.
        if digest.hexdigest() != command.sha256:
            raise attachments.incomplete()

    def _part(self, found: Attachment, key: bytes, index: int) -> dict[str, Any]:
        return {"content": b64encode(self._uploads.part(found, key, index)).decode()}

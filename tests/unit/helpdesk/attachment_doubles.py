"""The table of attachments as a dictionary, for the in-memory store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from services.helpdesk.attachment import Attachment


class FakeAttachments:
    def __init__(self) -> None:
        self.rows: dict[UUID, Attachment] = {}
        self.removed: set[UUID] = set()
        self.erased: set[str] = set()

    def lock_owner(self, owner: str) -> None:
        """Nobody else is there."""

    def begun(self, owner: str, since: datetime, nth: int) -> datetime | None:
        begun = sorted(
            (one.begun_at for one in self.rows.values() if one.owner == owner), reverse=True
        )
        found = [at for at in begun if at > since][nth - 1 :]
        return found[0] if found else None

    def note_erased(self, owner: str) -> None:
        self.erased.add(owner)

    def is_erased(self, owner: str) -> bool:
        return owner in self.erased

    def add(self, new: Attachment) -> None:
        self.rows[new.attachment_id] = new

    def note_part(self, attachment_id: UUID, parts: int, size: int, media_type: str) -> None:
        self._change(attachment_id, parts=parts, size=size, media_type=media_type)

    def note_whole(self, attachment_id: UUID, name: str, digest: str) -> None:
        self._change(attachment_id, state="ready", name=name, digest=digest)

    def locked(self, ids: Sequence[UUID]) -> list[Attachment]:
        return self.of_ids(sorted(ids))

    def of_ids(self, ids: Sequence[UUID]) -> list[Attachment]:
        return [self.rows[id_] for id_ in ids if id_ in self.rows]

    def of_questions(self, question_ids: Sequence[UUID]) -> list[Attachment]:
        taken = [one for one in self.rows.values() if one.state == "taken"]
        return [one for one in taken if one.question_id in question_ids]

    def unused_of(self, owner: str) -> list[UUID]:
        return [
            id_
            for id_, one in self.rows.items()
            if one.owner == owner and one.state in ("arriving", "ready")
        ]

    def take(self, ids: Sequence[UUID], question_id: UUID, position: int) -> None:
        for id_ in ids:
            self._change(id_, state="taken", question_id=question_id, position=position)

    def forget(self, ids: Sequence[UUID]) -> None:
        for id_ in ids:
            self._change(id_, state="gone", name=None, file_key=None, digest=None)

    def expired(self, before: datetime, most: int) -> list[UUID]:
        return [
            id_
            for id_, one in self.rows.items()
            if one.state in ("arriving", "ready") and one.begun_at < before
        ][:most]

    def to_remove(self, most: int) -> list[UUID]:
        gone = {id_ for id_, one in self.rows.items() if one.state == "gone"}
        return sorted(gone - self.removed)[:most]

    def note_removed(self, ids: Sequence[UUID], now: datetime) -> None:
        self.removed.update(ids)

    def delete_removed(self, before: datetime) -> None:
        for id_ in [id_ for id_ in self.removed if self.rows[id_].begun_at < before]:
            del self.rows[id_]
            self.removed.remove(id_)

    def _change(self, attachment_id: UUID, **changes: object) -> None:
        self.rows[attachment_id] = replace(self.rows[attachment_id], **changes)

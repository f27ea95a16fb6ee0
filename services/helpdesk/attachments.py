"""The use cases of attachments: receive a file in parts, give it to a message, read it, erase it.

The parts of a file come in order, each one perhaps more than once. Work on the folder is harmless
when it is repeated, so it is done with the file's row locked.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from services.helpdesk.attachment import (
    MAX_BYTES,
    MAX_FILES,
    PART_BYTES,
    Attachment,
    is_person,
    owned_by_person,
)
from services.helpdesk.file_names import clean_name, name_of
from services.helpdesk.file_types import Inspection, media_type_of
from services.helpdesk.limits import DAY, exceeded
from services.helpdesk.upload_folder import UploadFolder
from shared.errors import Conflict, Forbidden, NotFound, ValidationFailed
from shared.eventstore import Session
from shared.ids import new_id
from shared.privacy import new_key


class BeginUpload(msgspec.Struct, frozen=True, kw_only=True):
    """``owner`` is who sends the file, as the actor of events; ``name`` what he calls it."""

    owner: str
    name: str


class AddPart(msgspec.Struct, frozen=True, kw_only=True):
    """``index`` counts from 0."""

    owner: str
    attachment_id: UUID
    index: int
    content: bytes


class FinishUpload(msgspec.Struct, frozen=True, kw_only=True):
    """``sha256`` is the digest of what was sent, in hexadecimal digits."""

    owner: str
    attachment_id: UUID
    sha256: str


class UploadUseCases:
    """The use cases that write to the folder of uploads."""

    def __init__(self, folder: UploadFolder, per_day: int) -> None:
        self._folder = folder
        self._per_day = per_day

    def begin(self, session: Session, command: BeginUpload) -> dict[str, Any]:
        """Begin a file; return ``{attachment_id, part_bytes, max_bytes}``.

        Raises Unavailable ``uploads_unavailable``, and for a person Forbidden
        ``too_many_attachments_today``.
        """
        # Its owner stays locked until the commit, so that files begun at once are all counted.
        _check_owner(session, command.owner)
        self._folder.check_room()
        if is_person(command.owner):
            self._check_limit(session, command.owner)
        id_ = new_id()
        key = b64encode(new_key()).decode()
        session.read.attachments.add(
            Attachment(
                attachment_id=id_,
                owner=command.owner,
                state="arriving",
                name=session.vault.seal(id_, clean_name(command.name), "name"),
                file_key=session.vault.seal(id_, key, "file_key"),
                digest=None,
                media_type=None,
                parts=0,
                size=0,
                begun_at=session.now,
            )
        )
        return {"attachment_id": str(id_), "part_bytes": PART_BYTES, "max_bytes": MAX_BYTES}

    def add_part(self, session: Session, command: AddPart) -> dict[str, Any]:
        """Take the next part; return ``{parts, size}``. A part that came before changes nothing.

        Raises NotFound ``attachment_not_found``, ValidationFailed ``attachment_kind`` or
        ``attachment_too_large``, and Conflict ``part_out_of_order`` or ``part_differs``.
        """
        found = _arriving(session, command.attachment_id, command.owner)
        if command.index < found.parts:
            before = self._folder.read_part(
                found.attachment_id, _key(session, found), command.index
            )
            if before != command.content:
                raise Conflict("part_differs", "Another part came under this index; begin again.")
            return {"parts": found.parts, "size": found.size}
        if command.index > found.parts or found.size != found.parts * PART_BYTES:
            raise Conflict("part_out_of_order", "Send the parts in order, none after a short one.")
        size = found.size + len(command.content)
        if size > MAX_BYTES:
            raise ValidationFailed(
                "attachment_too_large", "Send a file of at most 5 MB.", max_bytes=MAX_BYTES
            )
        media_type = found.media_type or media_type_of(command.content)
        if media_type is None:
            raise ValidationFailed(
                "attachment_kind", "Send a picture (PNG, JPEG, WebP, GIF, HEIC) or a PDF."
            )
        self._folder.check_room()
        self._folder.write_part(
            found.attachment_id, _key(session, found), command.index, command.content
        )
        session.read.attachments.note_part(found.attachment_id, command.index + 1, size, media_type)
        return {"parts": command.index + 1, "size": size}

    def finish(self, session: Session, command: FinishUpload) -> dict[str, Any]:
        """End a file; return what `described` does.

        Raises NotFound ``attachment_not_found``, ValidationFailed ``attachment_empty`` or
        ``attachment_broken``, and Conflict ``attachment_incomplete``.
        """
        found = _of_owner(session, command.attachment_id, command.owner)
        if found.state == "ready" and _digest(session, found) == command.sha256:
            return described(session, found)
        if found.state != "arriving":
            raise not_found()
        if found.size == 0 or found.media_type is None:
            raise ValidationFailed("attachment_empty", "The file is empty; choose another.")
        inspection, digest = Inspection(), sha256()
        for part in self._parts(session, found):
            inspection.see(part)
            digest.update(part)
        if digest.hexdigest() != command.sha256:
            raise incomplete()
        if not inspection.is_whole:
            raise ValidationFailed(
                "attachment_broken", "The file is damaged: its end is missing; choose another."
            )
        self._folder.sync_file(found.attachment_id)
        vault, id_ = session.vault, found.attachment_id
        name = name_of(_text(session, found, found.name, "name"), found.media_type)
        session.read.attachments.note_whole(
            id_, vault.seal(id_, name, "name"), vault.seal(id_, command.sha256, "digest")
        )
        return {
            "attachment_id": str(id_),
            "name": name,
            "media_type": found.media_type,
            "size": found.size,
            "sha256": command.sha256,
        }

    def unfinished(
        self, session: Session, command: FinishUpload
    ) -> tuple[Attachment, bytes] | None:
        """Return a file that waits to be finished, with its key; None for one that is whole.

        Raises NotFound ``attachment_not_found``.
        """
        found: list[Attachment] = session.read.attachments.of_ids([command.attachment_id])
        if not found or found[0].owner != command.owner:
            raise not_found()
        return with_key(session, found[0]) if found[0].state == "arriving" else None

    def parts(
        self, found: Attachment, key: bytes, seen: Callable[[bytes], None]
    ) -> Iterator[bytes]:
        """Yield the parts of a file, each after it was ``seen``."""
        for index in range(found.parts):
            part = self._folder.read_part(found.attachment_id, key, index)
            seen(part)
            yield part

    def drop(self, session: Session, command: FinishUpload) -> None:
        """Destroy a file that must not be kept; it counts for the limit of the day all the same."""
        found = _of_owner(session, command.attachment_id, command.owner)
        if found.state == "arriving":
            destroy(session, [found.attachment_id])
            self._folder.remove_file(found.attachment_id)

    def part(self, found: Attachment, key: bytes, index: int) -> bytes:
        """Return a part of a file; raises NotFound ``attachment_not_found``."""
        if not 0 <= index < found.parts:
            raise not_found()
        return self._folder.read_part(found.attachment_id, key, index)

    def _check_limit(self, session: Session, owner: str) -> None:
        now = session.now
        reached = session.read.attachments.begun(owner, now - DAY, self._per_day)
        if reached is not None:
            raise Forbidden(
                "too_many_attachments_today",
                "Too many files within a day; send the message without it, or wait.",
                **exceeded("attachments_per_day", self._per_day, reached, now),
            )

    def _parts(self, session: Session, found: Attachment) -> Iterable[bytes]:
        key = _key(session, found)
        return (
            self._folder.read_part(found.attachment_id, key, index) for index in range(found.parts)
        )


def usable(
    session: Session, owner: str, ids: Sequence[UUID], *, locking: bool = True
) -> tuple[UUID, ...]:
    """Return the files that a new message of their owner takes, locked.

    A dry run cannot lock them (``locking``), and takes none.
    Raises ValidationFailed ``too_many_attachments``, and ``attachment_unknown`` for a file that is
    somebody else's, not whole, expired, or of another message.
    """
    wanted = tuple(dict.fromkeys(ids))
    if not wanted:
        return ()
    if len(wanted) > MAX_FILES:
        raise ValidationFailed(
            "too_many_attachments", f"Send at most {MAX_FILES} files.", most=MAX_FILES
        )
    table = session.read.attachments
    found = table.locked(wanted) if locking else table.of_ids(wanted)
    if len([one for one in found if one.owner == owner and one.state == "ready"]) < len(wanted):
        raise ValidationFailed(
            "attachment_unknown", "A file is not here any more, or not whole; send it again."
        )
    return wanted


def contents_of(session: Session, ids: Sequence[UUID]) -> tuple[str, ...]:
    """Return the digests of files in order of size: what makes two messages with files the same.

    A form that is sent twice brings its files twice, under other ids.
    """
    found = session.read.attachments.of_ids(list(ids)) if ids else []
    session.vault.fetch_keys([one.attachment_id for one in found])
    return tuple(sorted(_digest(session, one) for one in found))


def by_message(
    session: Session, question_ids: Sequence[UUID]
) -> dict[tuple[UUID, int], list[dict[str, Any]]]:
    """Return the files of questions, by question and position of the message."""
    found: list[Attachment] = session.read.attachments.of_questions(question_ids)
    session.vault.fetch_keys([one.attachment_id for one in found])
    messages: dict[tuple[UUID, int], list[dict[str, Any]]] = {}
    for one in found:
        if one.question_id is not None and one.position is not None:
            messages.setdefault((one.question_id, one.position), []).append(described(session, one))
    return messages


def described(session: Session, found: Attachment) -> dict[str, Any]:
    """Return ``{attachment_id, name, media_type, size, sha256}`` of a whole file.

    Where its key is gone, name and digest are "": an older dump may have brought its row back.
    """
    return {
        "attachment_id": str(found.attachment_id),
        "name": _text(session, found, found.name, "name"),
        "media_type": found.media_type,
        "size": found.size,
        "sha256": _digest(session, found),
    }


def of_question(session: Session, question_id: UUID, attachment_id: UUID) -> Attachment:
    """Return a file of a question; raises NotFound ``attachment_not_found``."""
    for one in session.read.attachments.of_ids([attachment_id]):
        if one.state == "taken" and one.question_id == question_id:
            found: Attachment = one
            return found
    raise not_found()


def numbered(session: Session, question_id: UUID, number: int) -> Attachment:
    """Return the file of a question with a place, counted from 1; raises NotFound."""
    found: list[Attachment] = session.read.attachments.of_questions([question_id])
    if not 1 <= number <= len(found):
        raise not_found()
    return found[number - 1]


def with_key(session: Session, found: Attachment) -> tuple[Attachment, bytes]:
    """Return a file with its key, for reading outside the transaction."""
    return found, _key(session, found)


def erase_attachments(session: Session, person_id: UUID, question_ids: Sequence[UUID]) -> None:
    """Destroy the keys of all files in a person's questions, and of those that no message has.

    From then on he begins no file, whatever form of his is still open somewhere.
    """
    # Rows are locked before the log, as whoever sends a message does.
    table, owner = session.peek.attachments, owned_by_person(person_id)
    table.lock_owner(owner)
    table.note_erased(owner)
    ids = [one.attachment_id for one in table.of_questions(question_ids)]
    destroy(session, [*ids, *table.unused_of(owner)])


def destroy(session: Session, ids: Sequence[UUID]) -> None:
    """Destroy the keys of files, and forget them; a job removes what nobody can read any more."""
    for id_ in ids:
        session.vault.destroy(id_)
    session.peek.attachments.forget(ids)


def decoded(content: str) -> bytes:
    """Return the bytes of a part as it travels; raises ValidationFailed ``part_malformed``."""
    try:
        part = b64decode(content, validate=True)
    except ValueError:
        part = b""
    if not 0 < len(part) <= PART_BYTES:
        raise ValidationFailed("part_malformed", f"Send 1 to {PART_BYTES} bytes in base64.")
    return part


def incomplete() -> Conflict:
    """Return the error for a file that is not what was sent."""
    return Conflict("attachment_incomplete", "Not all of the file came; send it again.")


def not_found() -> NotFound:
    """Return the error for a file that does not exist, is gone, or is somebody else's."""
    return NotFound("attachment_not_found", "There is no such file.")


def _check_owner(session: Session, owner: str) -> None:
    """Lock an owner; raises NotFound ``attachment_not_found`` for an erased person."""
    table = session.read.attachments
    table.lock_owner(owner)
    if table.is_erased(owner):
        raise not_found()


def _of_owner(session: Session, attachment_id: UUID, owner: str) -> Attachment:
    found: list[Attachment] = session.read.attachments.locked([attachment_id])
    if not found or found[0].owner != owner:
        raise not_found()
    return found[0]


def _arriving(session: Session, attachment_id: UUID, owner: str) -> Attachment:
    found = _of_owner(session, attachment_id, owner)
    if found.state != "arriving":
        raise not_found()
    return found


def _key(session: Session, found: Attachment) -> bytes:
    return b64decode(_revealed(session, found, found.file_key, "file_key"))


def _digest(session: Session, found: Attachment) -> str:
    return _text(session, found, found.digest, "digest")


def _revealed(session: Session, found: Attachment, sealed: str | None, field: str) -> str:
    if not (text := _text(session, found, sealed, field)):
        raise not_found()
    return text


def _text(session: Session, found: Attachment, sealed: str | None, field: str) -> str:
    """Return a sealed text; "" where there is none, or its key is destroyed."""
    return (sealed and session.vault.reveal(found.attachment_id, sealed, field)) or ""

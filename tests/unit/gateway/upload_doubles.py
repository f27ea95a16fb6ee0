"""A help desk that takes files, in dictionaries, behind the services that a test plays."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Any
from uuid import uuid4

from gateway_doubles import FakeServices

from gateway.uploads import PART_BYTES
from services.helpdesk.file_names import name_of
from services.helpdesk.file_types import Inspection, media_type_of
from shared.errors import Unavailable, ValidationFailed


class FakeUploads:
    """What was sent, by the id of the file."""

    def __init__(self, services: FakeServices) -> None:
        self.contents: dict[str, bytearray] = {}
        self.names: dict[str, str] = {}
        self.owners: dict[str, str] = {}
        self.ended: dict[str, dict[str, Any]] = {}
        self.largest = 0
        self.lost_answers = 0
        """How many parts are taken without an answer."""
        services.answers["helpdesk", "begin_upload"] = self.begin
        services.answers["helpdesk", "upload_part"] = self.part
        services.answers["helpdesk", "finish_upload"] = self.finish

    def begin(self, *, person_id: str, name: str) -> dict[str, Any]:
        id_ = str(uuid4())
        self.contents[id_], self.names[id_], self.owners[id_] = bytearray(), name, person_id
        return {"attachment_id": id_}

    def part(
        self, *, person_id: str, attachment_id: str, index: int, content: str
    ) -> dict[str, Any]:
        assert self.owners[attachment_id] == person_id
        part = b64decode(content, validate=True)
        self.largest = max(self.largest, len(part))
        if index == 0 and media_type_of(part) is None:
            raise ValidationFailed("attachment_kind", "Send a picture.")
        came = self.contents[attachment_id]
        assert index * PART_BYTES <= len(came), "in order"
        came[index * PART_BYTES :] = part
        if self.lost_answers:
            self.lost_answers -= 1
            raise Unavailable("service_unavailable", "It did not reply.")
        return {}

    def finish(self, *, person_id: str, attachment_id: str, sha256: str) -> dict[str, Any]:
        content = bytes(self.contents[attachment_id])
        assert sha256 == digest_of(content)
        inspection = Inspection()
        inspection.see(content)
        if not content:
            raise ValidationFailed("attachment_empty", "It is empty.")
        if inspection.media_type is None or not inspection.is_whole:
            raise ValidationFailed("attachment_broken", "It is cut.")
        self.ended[attachment_id] = {
            "attachment_id": attachment_id,
            "name": name_of(self.names[attachment_id], inspection.media_type),
            "media_type": inspection.media_type,
            "size": len(content),
            "sha256": sha256,
        }
        return self.ended[attachment_id]


def digest_of(content: bytes) -> str:
    return sha256(content).hexdigest()


def offer(services: FakeServices, content: bytes, name: str, media_type: str) -> None:
    """Let the help desk have a file to download."""
    parts = [content[first : first + PART_BYTES] for first in range(0, len(content), PART_BYTES)]
    services.answers["helpdesk", "attachment"] = {
        "attachment_id": str(uuid4()),
        "name": name,
        "media_type": media_type,
        "size": len(content),
        "sha256": digest_of(content),
        "parts": len(parts),
    }
    services.answers["helpdesk", "attachment_part"] = lambda *, index, **_: {
        "content": b64encode(parts[index]).decode()
    }

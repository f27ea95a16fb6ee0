"""Files of questions: sent before the message that takes them, downloaded, never shown."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from werkzeug.wrappers import Response

from gateway.operations import API, SERVICE_TIMEOUT, Call, Link, Operation, ServiceCalls
from gateway.schemas import attachments as shapes
from gateway.schemas.attachments import MEDIA_TYPES
from gateway.uploads import received
from gateway.web import route
from shared import context

TAG = "Questions"

# Nothing in a file may run in the name of this site, even where a browser opens it all the same.
_SANDBOX = "default-src 'none'; sandbox"


class AttachmentRoutes:
    """Routes of the files of questions."""

    @route(
        Operation(
            method="POST",
            path=f"{API}/questions/attachments",
            tag=TAG,
            summary="Send a file for a question or a message.",
            description="The body is the file itself, at most 5 MB: a picture (PNG, JPEG, WebP, "
            "GIF, HEIC) or a PDF, which is told by its content alone. Name its id in "
            "`attachments` of the question or the message; a file that none takes is deleted "
            "after a day.",
            receives=received,
            result=shapes.Attachment,
            refusals={
                413: ("attachment_too_large",),
                422: (
                    "attachment_broken",
                    "attachment_empty",
                    "attachment_infected",
                    "attachment_kind",
                ),
                429: ("too_many_attachments_today",),
                503: ("attachment_unchecked", "uploads_busy", "uploads_unavailable"),
            },
            links=(Link(to="ask_question"),),
        )
    )
    def send_attachment(self, call: Call) -> Any:
        return call.file

    @route(
        Operation(
            method="GET",
            path=f"{API}/questions/<uuid:question_id>/attachments/<uuid:attachment_id>",
            tag=TAG,
            summary="Download a file of a question.",
            description="A file of somebody else's question is as absent as one that does not "
            "exist.",
            media_type=MEDIA_TYPES[0],
            other_media_types=MEDIA_TYPES[1:],
            refusals={
                404: ("attachment_not_found", "question_not_found"),
                503: ("uploads_unavailable",),
            },
        )
    )
    def attachment(self, call: Call) -> Any:
        return download(call.services, call.person_id, call.path)


def download(services: ServiceCalls, person_id: str, path: Mapping[str, Any]) -> Response:
    """Return a file of a person's question as a download that comes part by part."""
    file = _File(services, person_id, str(path["question_id"]), str(path["attachment_id"]))
    found, first = file.described(), file.part(0)
    bound = context.current()

    def parts() -> Iterator[bytes]:
        yield first
        for index in range(1, found["parts"]):
            # The response is sent when the request's own context has ended.
            with context.bind(actor=bound.actor, correlation_id=bound.correlation_id):
                part = file.part(index)
            yield part

    response = Response(parts(), content_type=found["media_type"])
    response.content_length = found["size"]
    response.headers["Content-Disposition"] = _attachment(found["name"])
    response.headers["Content-Security-Policy"] = _SANDBOX
    response.headers["Cache-Control"] = "no-store"
    return response


@dataclass(frozen=True)
class _File:
    services: ServiceCalls
    person_id: str
    question_id: str
    attachment_id: str

    def described(self) -> Any:
        return self.services.call(
            "helpdesk",
            "attachment",
            deadline=SERVICE_TIMEOUT,
            person_id=self.person_id,
            question_id=self.question_id,
            attachment_id=self.attachment_id,
        )

    def part(self, index: int) -> bytes:
        answer = self.services.call(
            "helpdesk",
            "attachment_part",
            deadline=SERVICE_TIMEOUT,
            person_id=self.person_id,
            question_id=self.question_id,
            attachment_id=self.attachment_id,
            index=index,
        )
        return b64decode(answer["content"])


def _attachment(name: str) -> str:
    """Return the header of a download; the name is one that the help desk has made harmless."""
    ending = name.rpartition(".")[2]
    return f"attachment; filename=\"file.{ending}\"; filename*=UTF-8''{quote(name, safe='')}"

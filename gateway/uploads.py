"""Files on their way to the help desk: each is passed on part by part, and never held whole.

The gateway has no folder. What it holds of a file is one part; how many files it passes on at once
is limited, and so is what one person sends at once.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from werkzeug.http import parse_options_header
from werkzeug.wrappers import Request

from gateway.auth import person_of
from gateway.operations import SERVICE_TIMEOUT, Access, ServiceCalls
from gateway.problems import RETRY_AFTER_SECONDS, Refusal
from gateway.reading import Allowance, body_pieces, expected_bytes
from shared import context
from shared.config import Settings
from shared.errors import Unavailable
from shared.ids import new_id

MAX_FILE_BYTES = 5 * 1024 * 1024
PART_BYTES = 256 * 1024
MAX_NAME = 255
"""Characters of a name that are passed on; the help desk makes it harmless."""
MOST_AT_ONCE = 32
MOST_AT_ONCE_OF_ONE = 4


class Room:
    """The places of those who send files, in this process."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many places are held."""
        return self._taken.total()

    @contextmanager
    def hold_place(self, person_id: str) -> Iterator[None]:
        """Hold a place; raises Refusal 503 ``uploads_busy`` where none is free."""
        if self._taken.total() >= MOST_AT_ONCE or self._taken[person_id] >= MOST_AT_ONCE_OF_ONE:
            raise Refusal(503, "uploads_busy", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
        self._taken[person_id] += 1
        try:
            yield
        finally:
            self._taken[person_id] -= 1
            if not self._taken[person_id]:
                del self._taken[person_id]


ROOM = Room()

FINISH_SECONDS = 15.0
"""For the end of a file: the help desk may ask a scanner about it, for ten seconds at most."""


class Sending:
    """A file of a person that is passed on; it holds one part, and what has come of the next."""

    def __init__(self, services: ServiceCalls, person_id: str, name: str) -> None:
        self._services = services
        self._person_id = person_id
        self._name = name.encode(errors="replace").decode()[:MAX_NAME]
        self._held = bytearray()
        self._digest = sha256()
        self._id = ""
        self._index = 0
        self._size = 0

    def begin(self) -> None:
        """Let the help desk begin a file; raises its refusals."""
        begun = self._services.call(
            "helpdesk",
            "begin_upload",
            deadline=SERVICE_TIMEOUT,
            person_id=self._person_id,
            name=self._name,
        )
        self._id = begun["attachment_id"]

    def take(self, piece: bytes) -> None:
        """Take what comes next, and pass on what makes a whole part.

        Raises Refusal 413 ``attachment_too_large``, and the refusals of the help desk.
        """
        self._size += len(piece)
        if self._size > MAX_FILE_BYTES:
            raise too_large()
        self._held += piece
        while len(self._held) >= PART_BYTES:
            self._pass_on(bytes(memoryview(self._held)[:PART_BYTES]))
            del self._held[:PART_BYTES]

    def end(self) -> dict[str, Any]:
        """Pass on the rest; return ``{attachment_id, name, media_type, size, sha256}``."""
        if self._held:
            self._pass_on(bytes(self._held))
        ended: dict[str, Any] = self._services.call(
            "helpdesk",
            "finish_upload",
            deadline=FINISH_SECONDS,
            person_id=self._person_id,
            attachment_id=self._id,
            sha256=self._digest.hexdigest(),
        )
        return ended

    def _pass_on(self, part: bytes) -> None:
        content = b64encode(part).decode()
        try:
            self._send(content)
        except Unavailable as error:
            if error.code == "uploads_unavailable":
                raise
            # A part that came already has no further effect.
            self._send(content)
        self._digest.update(part)
        self._index += 1

    def _send(self, content: str) -> None:
        self._services.call(
            "helpdesk",
            "upload_part",
            deadline=SERVICE_TIMEOUT,
            person_id=self._person_id,
            attachment_id=self._id,
            index=self._index,
            content=content,
        )


def received(
    request: Request, services: ServiceCalls, access: Access, settings: Settings
) -> Mapping[str, Any]:
    """Pass the body of a request on as one file; return what the help desk says of it.

    Nothing is read for whoever may not send it. Raises Refusal 413 ``attachment_too_large``, those
    of `person_of`, of a body and of the help desk.
    """
    person = person_of(request, services, access)
    if person is None:
        raise Refusal(401, "not_signed_in")
    if (expected_bytes(request.environ) or 0) > MAX_FILE_BYTES:
        raise too_large()
    _, options = parse_options_header(request.headers.get("Content-Disposition", ""))
    sending = Sending(services, person.person_id, options.get("filename", ""))
    with (
        context.bind(actor=f"person:{person.person_id}", command_id=new_id()),
        ROOM.hold_place(person.person_id),
    ):
        sending.begin()
        for piece in body_pieces(request, Allowance(settings.gateway_upload_seconds)):
            sending.take(piece)
        return sending.end()


def too_large() -> Refusal:
    """Return the refusal of a file above the limit."""
    return Refusal(413, "attachment_too_large", max_bytes=MAX_FILE_BYTES)

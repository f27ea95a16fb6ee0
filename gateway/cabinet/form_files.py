"""A posted form with files, read as it comes: fields are kept, files go on to the help desk.

A form that cannot be sent loses neither its words nor its good files: a file that is refused is
read past, and the form says so beside its field.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import (
    Data,
    Epilogue,
    Event,
    Field,
    File,
    MultipartDecoder,
    NeedData,
)
from werkzeug.wrappers import Request

from gateway.auth import person_of_token
from gateway.cabinet.attached import (
    FILES,
    UPLOADER,
    Attached,
    RefusedFile,
    sealed_file,
    uploader_of,
    with_files,
)
from gateway.cabinet.cookies import SESSION
from gateway.cabinet.forms import MAX_FIELDS
from gateway.cabinet.sealing import Sealer
from gateway.operations import ServiceCalls
from gateway.problems import Refusal, refusal_of
from gateway.reading import MAX_BODY_BYTES, Allowance, body_pieces
from gateway.schemas.attachments import MAX_FILES
from gateway.uploads import ROOM, Sending, too_large
from shared import context
from shared.config import Settings
from shared.errors import ServiceError
from shared.ids import new_id

MULTIPART = "multipart/form-data"
MOST_BYTES = 64 * 1024 * 1024
"""How much of a form is read: what is beyond belongs to files that are far too large."""
MOST_HELD = 128 * 1024
"""Bytes that are held while the end of a field, or of the head of a part, is awaited."""
MAX_SHOWN = 60
"""Characters of the name of a refused file that are shown."""
SHOWN_END = 12
"""How many of them are its last ones: two pictures differ in their numbers, files in their kind."""

_TELLING = {
    "attachment_broken",
    "attachment_empty",
    "attachment_infected",
    "attachment_kind",
    "attachment_too_large",
    "attachment_unchecked",
    "form_outdated",
    "too_many_attachments",
    "too_many_attachments_today",
    "uploads_busy",
}
"""Codes that tell a person what to do; any other is that files are not taken at the moment."""


class FormWithFiles:
    """The form of one request while it is read."""

    def __init__(
        self, request: Request, services: ServiceCalls, sealer: Sealer, settings: Settings
    ) -> None:
        self._request = request
        self._services = services
        self._sealer = sealer
        self._settings = settings
        self._fields: dict[str, str] = {}
        self._kept: list[str] = []
        self._refused: list[RefusedFile] = []
        self._part: _FieldPart | _FilePart | None = None
        self._size = 0
        self._allowance = Allowance(settings.gateway_body_seconds)
        self._places = ExitStack()
        self._has_place = False
        self._has_looked = False
        self._uploader: str | None = None
        self.is_whole = False
        """Whether all of the form was read: what is too large is not read to its end."""

    def read(self) -> dict[str, str]:
        """Return the fields, with the files that were taken and refused among them.

        Raises Refusal: those of a body, 400 ``parameters_unusable``, 413 ``body_too_large``.
        """
        boundary = self._request.mimetype_params.get("boundary", "").encode("ascii", "replace")
        if not boundary:
            raise Refusal(400, "parameters_unusable")
        decoder = MultipartDecoder(boundary, MOST_HELD, max_parts=MAX_FIELDS)
        received = 0
        with self._places:
            try:
                for piece in body_pieces(self._request, self._allowance):
                    received += len(piece)
                    decoder.receive_data(piece)
                    self._take_events(decoder)
                    if received > MOST_BYTES:
                        break
                else:
                    decoder.receive_data(None)
                    self._take_events(decoder)
                    self.is_whole = True
            except (ValueError, RequestEntityTooLarge) as error:
                raise Refusal(400, "parameters_unusable") from error
            if isinstance(self._part, _FilePart):
                self._part.refuse(too_large())
                self._end_part()
        return with_files(self._sealer, self._fields, self._kept, self._refused)

    def _take_events(self, decoder: MultipartDecoder) -> None:
        while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case Field(name=name):
                if name is None:  # which the library's types leave out
                    raise Refusal(400, "parameters_unusable")
                self._part = _FieldPart(name)
            case File(name=name, filename=filename):
                if name == FILES:
                    self._before_file()
                self._part = _FilePart(self, filename, wanted=name == FILES)
            case Data(data=data, more_data=more) if self._part is not None:
                if isinstance(self._part, _FieldPart):
                    self._size += len(data)
                    if self._size > MAX_BODY_BYTES:
                        raise Refusal(413, "body_too_large", limit=MAX_BODY_BYTES)
                self._part.take(bytes(data))
                if not more:
                    self._end_part()

    def _before_file(self) -> None:
        """Look at the fields before the first file: who sends, and which files there are."""
        if not self._has_looked:
            self._has_looked = True
            self._uploader = self._sender()
            self._kept = [file.sealed for file in Attached(self._sealer, self._fields).files]
            if self._uploader is not None:
                self._allowance.grow(self._settings.gateway_upload_seconds)

    def _sender(self) -> str | None:
        """Return for whom the form sends files; None for nobody.

        The browser still names the session of the form when that has ended; after a log-in it
        names another one of the same person.
        """
        made_for = uploader_of(self._sealer, self._fields.get(UPLOADER, ""))
        if made_for is None:
            return None
        token = self._request.cookies.get(SESSION, "")
        if made_for.is_of(token):
            return made_for.person_id
        try:
            person_id = person_of_token(token, self._services).person_id
        except (Refusal, ServiceError):
            return None
        return person_id if person_id == made_for.person_id else None

    def _end_part(self) -> None:
        part, self._part = self._part, None
        if isinstance(part, _FieldPart):
            self._fields[part.name] = part.text
        elif part is not None:
            part.end()

    def sending(self, name: str) -> Sending:
        """Begin a file of whoever may send one with this form; raises Refusal and ServiceError."""
        if self._uploader is None:
            raise Refusal(403, "form_outdated")
        if len(self._kept) == MAX_FILES:
            raise Refusal(422, "too_many_attachments", most=MAX_FILES)
        if not self._has_place:
            self._places.enter_context(ROOM.hold_place(self._uploader))
            self._places.enter_context(
                context.bind(actor=f"person:{self._uploader}", command_id=new_id())
            )
            self._has_place = True
        begun = Sending(self._services, self._uploader, name)
        begun.begin()
        return begun

    def keep(self, sent: dict[str, Any]) -> None:
        """Keep a file that the help desk has taken."""
        self._kept.append(sealed_file(self._sealer, sent))

    def note_refused(self, name: str, refusal: Refusal) -> None:
        """Note a file that was not taken."""
        known = refusal.code in _TELLING
        self._refused.append(
            RefusedFile(
                name=shown_name(name),
                code=refusal.code if known else "uploads_unavailable",
                kind=refusal.kind if known else "unavailable",
                params=refusal.params if known else {},
            )
        )


class _FieldPart:
    def __init__(self, name: str) -> None:
        self.name = name
        self._content = bytearray()

    def take(self, data: bytes) -> None:
        self._content += data

    @property
    def text(self) -> str:
        """The text; raises ValueError for one that is not UTF-8."""
        return self._content.decode("utf-8")


class _FilePart:
    """A file while it comes; after a refusal the rest of it is read past."""

    def __init__(self, form: FormWithFiles, name: str, *, wanted: bool) -> None:
        self._form = form
        self._name = name
        self._sending: Sending | None = None
        self._over = not wanted

    def take(self, data: bytes) -> None:
        if self._over or not data:
            return
        try:
            if self._sending is None:
                self._sending = self._form.sending(self._name)
            self._sending.take(data)
        except Refusal as refusal:
            self.refuse(refusal)
        except ServiceError as error:
            self.refuse(refusal_of(error))

    def end(self) -> None:
        if self._over:
            return
        if self._sending is None:
            if self._name:  # without a name and a content no file was chosen
                self.refuse(Refusal(422, "attachment_empty"))
            return
        try:
            self._form.keep(self._sending.end())
        except ServiceError as error:
            self.refuse(refusal_of(error))

    def refuse(self, refusal: Refusal) -> None:
        """Read past the rest, and say why."""
        if not self._over:
            self._over = True
            self._form.note_refused(self._name, refusal)


def shown_name(name: str) -> str:
    """Return the last part of a name as it can be seen; a long one keeps its beginning and end.

    "…" for a name of which nothing can be seen.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    seen = "".join(" " if char.isspace() else char for char in last)
    seen = " ".join("".join(char for char in seen if char.isprintable()).split())
    if len(seen) > MAX_SHOWN:
        seen = f"{seen[: MAX_SHOWN - SHOWN_END - 1]}…{seen[-SHOWN_END:]}"
    return seen or "…"

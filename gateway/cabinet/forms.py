"""A posted form: its text fields, and what the API says of them.

The API's shapes are the one truth about limits: a form is only turned into the JSON that an API
client would have sent, and what the shape or a service refuses comes back beside its field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser
from werkzeug.wrappers import Request

from gateway.problems import Refusal
from shared.config import Settings

CSRF, COMMAND, KEPT, PERSON = "_csrf", "_command", "_kept", "_person"
"""Hidden fields: the CSRF token, the command id of the rendered form, a form kept over a log-in,
and a mark of the person for whom the form was rendered."""

_ONE_CLICK = {"List-Unsubscribe": "One-Click"}
"""The whole form of a mail program that takes a person off a list (RFC 8058, 3.1)."""

MAX_FIELDS = 100
FieldOf = Callable[[str], str]
"""From a JSON pointer (``#/lines/0/amount``) to the id of a field (``amount-0``)."""


def posted_fields(request: Request, body: bytes, *, files: bool = False) -> dict[str, str]:
    """Return the fields of a posted form, the last of each name; of files the text.

    Raises Refusal 415 for another kind of body, 400 for one that is broken.
    """
    if files and request.mimetype == "multipart/form-data":
        return _fields_and_files(request, body)
    if request.mimetype != "application/x-www-form-urlencoded":
        raise Refusal(415, "body_not_form")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=MAX_FIELDS,
            errors="strict",
        )
    except ValueError as error:
        raise Refusal(400, "parameters_unusable") from error
    return dict(pairs)


def is_one_click(request: Request, body: bytes) -> bool:
    """Return whether a mail program takes a person off a list; any other body is none of it."""
    try:
        return posted_fields(request, body, files=True) == _ONE_CLICK
    except Refusal:
        return False


def _fields_and_files(request: Request, body: bytes) -> dict[str, str]:
    parser = FormDataParser(
        _in_memory, max_form_memory_size=len(body), max_form_parts=MAX_FIELDS, silent=False
    )
    try:
        _, fields, files = parser.parse(
            BytesIO(body), request.mimetype, len(body), request.mimetype_params
        )
    except (ValueError, HTTPException) as error:
        raise Refusal(400, "parameters_unusable") from error
    # A file that is no text is none that a form of ours asks for: it is refused for its content.
    texts = {name: file.read().decode("utf-8-sig", "replace") for name, file in files.items()}
    return {**fields.to_dict(), **texts}


def _in_memory(*_: Any, **__: Any) -> BytesIO:
    return BytesIO()  # the whole body is in memory, and it is small


def check_own_form(request: Request, settings: Settings) -> None:
    """Raise Refusal 403 for a form of another site."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site" or not _is_own(request, settings):
        raise Refusal(403, "form_of_another_site")


def _is_own(request: Request, settings: Settings) -> bool:
    origin, host = request.headers.get("Origin"), request.host
    if origin is None:  # old browsers send none
        return True
    # A site with TLS has no forms outside it: whoever is on the wire could have written them.
    plain = () if settings.url.startswith("https:") else (f"http://{host}",)
    return origin in (f"https://{host}", *plain)


@dataclass(frozen=True, kw_only=True)
class FormErrors:
    """Why a form was not accepted: a sentence for all of it, and one for each wrong field.

    ``fields`` are ids of fields on the page, in the order in which they stand there.
    """

    code: str
    text: str
    fields: Mapping[str, str] = field(default_factory=dict)
    status: int = 422
    params: Mapping[str, Any] = field(default_factory=dict)

    def of(self, name: str) -> str:
        """Return the message beside a field; "" where it is right."""
        return self.fields.get(name, "")


def field_of(pointer: str) -> str:
    """Return the field of a pointer where the form has the names of the JSON members."""
    return pointer.removeprefix("#/").replace("/", "-")


FIELD_OF_CODE: Mapping[str, str] = {
    "wrong_code": "code",
    "code_expired": "code",
    "code_attempts_used_up": "code",
    "registration_attempts_used_up": "code",
    "rules_not_accepted": "accept_rules",
    "consent_not_given": "consent_personal_data",
    "wrong_second_factor": "code",
    "wrong_current_password": "current_password",
    "password_too_short": "new_password",
    "password_too_long": "new_password",
    "password_too_common": "new_password",
    "password_has_email": "new_password",
    "password_has_name": "new_password",
    "password_unchanged": "new_password",
    "password_was_temporary": "new_password",
    "email_invalid": "email",
    "email_unchanged": "email",
    "proof_refused": "proof",
    "account_not_found": "number",
    "already_linked": "number",
    "phone_invalid": "phone",
    "full_name_invalid": "full_name",
    "organisation_name_invalid": "organisation-name",
    "inn_invalid": "organisation-inn",
    "kpp_invalid": "organisation-kpp",
    "kpp_missing": "organisation-kpp",
    "kpp_not_expected": "organisation-kpp",
    "unknown_topic": "topic",
    "unknown_line": "line",
    "attachment_unknown": "files",
    "invalid_text": "text",
    "link_refused": "proof",
    "already_invited": "email",
}
"""Which field a service means that refuses the whole command by one code."""

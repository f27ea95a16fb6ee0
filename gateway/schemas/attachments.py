"""Files that go with messages of questions."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from gateway.schemas import patterns
from gateway.schemas.base import (
    Result,
    Text,
    described,
    formed,
    identifier,
    length,
    output_text,
)

MAX_FILES = 3
"""Files of one message, as the help desk takes them."""
MEDIA_TYPES = (
    "application/pdf",
    "image/gif",
    "image/heic",
    "image/jpeg",
    "image/png",
    "image/webp",
)
"""The kinds of files that the help desk takes, by their content."""


class Attachment(Result):
    """A file of a message."""

    attachment_id = identifier("The id of the file.")
    name = output_text("Its name, without anything that a disk or a terminal could trip over.")
    media_type = output_text("What it is, by its content.", "application/pdf")
    size = fields.Integer(required=True, metadata=described("Its size in bytes.", 48213))
    sha256 = output_text("The digest of its content, in hexadecimal digits.")


def attached() -> fields.List[Any]:
    """Return the field for the files that a new message takes, by their ids."""
    return fields.List(
        Text(
            validate=formed(patterns.UUID, 36),
            metadata=described("The id of a file.", format="uuid"),
        ),
        load_default=list,
        validate=length(0, MAX_FILES),
        metadata=described("The files that go with it, sent before.", []),
    )

"""The files of a form: sent already, sealed into it, kept with it after an error or a log-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from gateway.cabinet.sealing import Sealer
from gateway.schemas.attachments import MAX_FILES

FILES = "files"
"""The field by which files are chosen."""
UPLOADER = "_uploader"
"""A hidden field: who may send files with this form, also when the session has ended meanwhile."""
REFUSED = "refused-files"
"""A field that only the server writes: which files were not taken, and why."""
UPLOADER_SECONDS = 24 * 3600
KEPT_SECONDS = 23 * 3600
"""How long a form has a file: a little less than the help desk keeps one that no message takes."""

_FIELDS = tuple(f"attached-{number}" for number in range(1, MAX_FILES + 1))
_FILE, _REFUSED, _UPLOADER = "attachment", "refused files", "uploader"


@dataclass(frozen=True)
class File:
    """A file that goes with the form unless its box is cleared."""

    field: str
    sealed: str
    attachment_id: str
    name: str
    size: int


@dataclass(frozen=True)
class RefusedFile:
    """A file that was not taken, and the code and parameters that say why."""

    name: str
    code: str
    kind: str
    params: Mapping[str, Any]


class Attached:
    """The files of a form that a person filled in."""

    def __init__(self, sealer: Sealer, form: Mapping[str, str]) -> None:
        self._sealer = sealer
        self._form = form

    @property
    def files(self) -> list[File]:
        """The files that go with the form, in its order; what is forged or too old is none."""
        found = []
        for field in _FIELDS:
            sealed = self._form.get(field, "")
            value = self._sealer.unseal(_FILE, sealed, seconds=KEPT_SECONDS) if sealed else None
            if value is not None:
                found.append(File(field, sealed, value["id"], value["name"], value["size"]))
        return found

    @property
    def refused(self) -> list[RefusedFile]:
        """The files that were not taken."""
        sealed = self._form.get(REFUSED, "")
        value = self._sealer.unseal(_REFUSED, sealed, seconds=KEPT_SECONDS) if sealed else None
        return [RefusedFile(**each) for each in value or ()]

    @property
    def ids(self) -> list[str]:
        """The ids of the files, for the API."""
        return [file.attachment_id for file in self.files]


def with_files(
    sealer: Sealer,
    form: Mapping[str, str],
    kept: Sequence[str],
    refused: Sequence[RefusedFile],
) -> dict[str, str]:
    """Return a form with these files, sealed ones, and with what was not taken."""
    others = without_files(form)
    told = [vars(each) for each in refused]
    return {
        **others,
        **dict(zip(_FIELDS, kept, strict=False)),
        **({REFUSED: sealer.seal(_REFUSED, told)} if told else {}),
    }


def without_files(form: Mapping[str, str]) -> dict[str, str]:
    """Return a form without its files."""
    return {name: value for name, value in form.items() if name not in (*_FIELDS, REFUSED)}


def sealed_file(sealer: Sealer, sent: Mapping[str, Any]) -> str:
    """Return what a form keeps of a file that the help desk has."""
    kept = {"id": sent["attachment_id"], "name": sent["name"], "size": sent["size"]}
    return sealer.seal(_FILE, kept)


@dataclass(frozen=True)
class Uploader:
    """For whom a form was made, and in which session."""

    person_id: str
    session: str

    def is_of(self, token: str) -> bool:
        """Return whether the form was made in the session of a token, alive or not."""
        return compare_digest(self.session, _session(token))


def uploader(sealer: Sealer, person_id: str, token: str) -> str:
    """Return what lets a form send files for a person from the browser of his session."""
    return sealer.seal(_UPLOADER, [person_id, _session(token)])


def uploader_of(sealer: Sealer, sealed: str) -> Uploader | None:
    """Return for whom a form was made; None for nobody, or too long ago."""
    found = sealer.unseal(_UPLOADER, sealed, seconds=UPLOADER_SECONDS) if sealed else None
    return None if found is None else Uploader(*found)


def _session(token: str) -> str:
    return sha256(token.encode()).hexdigest()

"""The documents for people: the rules, the consent, the instruction, each in versions.

A version is a file, ``<kind>-<date>.md``, in ``documents/`` or in the operator's folder
(SALDO_DOCUMENTS). It is never edited once somebody may have accepted it: a new text is a new file
with the date from which it is in force. The files are read anew when one has been added, so that
publishing needs no restart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from shared.config import ConfigurationError
from shared.errors import Conflict, NotFound

Kind = Literal["rules", "consent", "instruction"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ACCEPTED: tuple[Kind, ...] = ("rules", "consent")
"""The kinds that a person accepts: at the registration, and again when there is a new version."""

_OURS = Path(__file__).parent / "documents"
_NAME = re.compile(rf"({'|'.join(KINDS)})-([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})\.md")


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a text in Markdown; ``version`` is the ISO date from which it is valid."""

    kind: str
    version: str
    title: str
    media_type: str
    text: str


class Documents:
    """All versions: ours, and those that the operator has added in a folder.

    Raises ConfigurationError where the folder cannot be read, or has a version of ours.
    """

    def __init__(self, folder: str = "") -> None:
        self._versions = _read(tuple(_files(folder)))

    def find(self, kind: str, version: str | None, today: date) -> Document:
        """Return a document, by default in the version in force.

        Raises NotFound ``document_not_found``.
        """
        requested = self.in_force(kind, today) if version is None else version
        found = self._versions[kind].get(requested)
        if found is None:
            raise NotFound(
                "document_not_found", "There is no such version; leave it out for the current one."
            )
        return found

    def versions(self, kind: str) -> Sequence[str]:
        """Return the versions of a kind, the latest first; one may be announced ahead."""
        return sorted(self._versions[kind], reverse=True)

    def in_force(self, kind: str, today: date) -> str:
        """Return the version in force: the latest that has begun, or else the first."""
        begun = [version for version in self._versions[kind] if version <= today.isoformat()]
        return max(begun) if begun else min(self._versions[kind])

    def newer(self, accepted: Mapping[str, str], today: date) -> list[dict[str, str]]:
        """Return what a person has yet to accept: [{kind, accepted, version}]."""
        return [
            {"kind": kind, "accepted": accepted[kind], "version": current}
            for kind in ACCEPTED
            if (current := self.in_force(kind, today)) > accepted[kind]
        ]

    def must_be_in_force(self, seen: Mapping[str, str | None], today: date) -> None:
        """Raise Conflict ``documents_changed`` for a version that is not the one in force.

        ``seen`` has the version of each kind that a person saw, or None where it is not accepted.
        """
        changed = [
            {"kind": kind, "seen": version, "version": self.in_force(kind, today)}
            for kind, version in seen.items()
            if version is not None and version != self.in_force(kind, today)
        ]
        if changed:
            raise Conflict(
                "documents_changed",
                "Another version is in force; read it, and accept that one.",
                documents=changed,
            )


def described(document: Document, documents: Documents, today: date) -> dict[str, Any]:
    """Return a document as the RPC does: with all versions, and which one is in force."""
    return {
        **msgspec.structs.asdict(document),
        "in_force": documents.in_force(document.kind, today),
        "versions": documents.versions(document.kind),
    }


def _files(folder: str) -> Iterator[tuple[Path, int, int]]:
    """Yield the files of all versions, with what changes when one does: time and size."""
    for place in (_OURS, Path(folder)) if folder else (_OURS,):
        try:
            found = sorted(place.iterdir())
        except OSError as error:
            raise ConfigurationError(f"SALDO_DOCUMENTS: {place}: {error.strerror}") from None
        for path in found:
            if _NAME.fullmatch(path.name):
                state = path.stat()
                yield path, state.st_mtime_ns, state.st_size


@lru_cache(maxsize=4)
def _read(paths: tuple[tuple[Path, int, int], ...]) -> dict[str, dict[str, Document]]:
    found: dict[str, dict[str, Document]] = {kind: {} for kind in KINDS}
    for path, _, _ in paths:
        name = _NAME.fullmatch(path.name)
        if name is None or name[2] in found[name[1]]:
            raise ConfigurationError(f"SALDO_DOCUMENTS: {path.name} exists: give it another date")
        text = path.read_text(encoding="utf-8")
        found[name[1]][name[2]] = Document(
            kind=name[1],
            version=name[2],
            title=text.partition("\n")[0].removeprefix("# ").strip(),
            media_type="text/markdown",
            text=text,
        )
    return found

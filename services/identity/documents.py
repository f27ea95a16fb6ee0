"""The documents for people: the rules, the consent, the instruction, each in versions.

A version is a file, ``documents/<kind>-<date>.md``. It is never edited once somebody may have
accepted it: a new text is a new file with the date from which it is valid. The latest is current.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Literal, get_args

import msgspec

from shared.errors import NotFound

Kind = Literal["rules", "consent", "instruction"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a text in Markdown; ``version`` is the ISO date from which it is valid."""

    kind: str
    version: str
    title: str
    media_type: str
    text: str


def find_document(kind: str, version: str | None = None) -> Document:
    """Return a document, by default in its current version.

    Raises NotFound ``document_not_found``.
    """
    versions = _versions().get(kind, {})
    requested = max(versions, default="") if version is None else version
    if requested not in versions:
        raise NotFound(
            "document_not_found", f"There is no such document; the kinds are {', '.join(KINDS)}."
        )
    return versions[requested]


@lru_cache(maxsize=1)
def _versions() -> dict[str, dict[str, Document]]:
    found: dict[str, dict[str, Document]] = {kind: {} for kind in KINDS}
    for entry in resources.files(__package__).joinpath("documents").iterdir():
        name = entry.name
        if name.endswith(".md"):
            kind, _, version = name.removesuffix(".md").partition("-")
            text = entry.read_text(encoding="utf-8")
            found[kind][version] = Document(
                kind=kind,
                version=version,
                title=text.partition("\n")[0].removeprefix("# ").strip(),
                media_type="text/markdown",
                text=text,
            )
    return found

"""The documents that people read: the rules, the consent, the instruction, each by version.

A version is a file, ``documents/<kind>-<date>.md``, and is never edited once somebody may have
accepted it: a new text is a new file with the date from which it holds. The latest one is current.
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
    """One version of a text in Markdown; ``version`` is the ISO date it holds from."""

    kind: str
    version: str
    title: str
    media_type: str
    text: str


def find_document(kind: str, version: str | None = None) -> Document:
    """Return a document, the current version unless another is named.

    Raises NotFound ``document_not_found``.
    """
    versions = _versions().get(kind, {})
    wanted = max(versions, default="") if version is None else version
    if wanted not in versions:
        raise NotFound(
            "document_not_found", f"There is no such document; the kinds are {', '.join(KINDS)}."
        )
    return versions[wanted]


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

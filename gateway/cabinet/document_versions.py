"""A version of a document as the pages show it: its text, what is new in it, its PDF."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from markupsafe import Markup

from gateway.cabinet.markdown import prose
from gateway.cabinet.visit import Visit
from gateway.documents.text import document_pdf
from gateway.problems import Refusal

BOXES = {"rules": "accept_rules", "consent": "consent_personal_data"}
"""The tick that accepts a document; the field beside it, ``<kind>_version``, has what was seen."""

_CHANGES = re.compile(r"^#+ Что изменилось\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)


def read(visit: Visit, kind: str, version: str | None = None) -> dict[str, Any]:
    """Return a version, by default the one in force. Raises NotFound ``document_not_found``."""
    found: dict[str, Any] = visit.services.call(
        "identity", "document", deadline=2.0, kind=kind, version=version
    )
    return found


def read_to_accept(visit: Visit, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """Return the versions in force of some kinds, each with the size of its PDF."""
    found = visit.together(*(partial(read, visit, kind) for kind in kinds))
    return [{**document, "size": size_of(document)} for document in found]


def size_of(document: Mapping[str, Any]) -> int | None:
    """Return the size of the PDF in bytes; None while too many wait for documents."""
    try:
        return len(pdf_of(document))
    except Refusal:
        return None


def pdf_of(document: Mapping[str, Any]) -> bytes:
    """Return the PDF of a version, made once: it never changes, and links to it tell its size."""
    return _pdf(document["title"], document["version"], document["text"])


@lru_cache(maxsize=32)
def _pdf(title: str, version: str, text: str) -> bytes:
    return document_pdf({"title": title, "version": version, "text": text})


def changed_since_shown(visit: Visit, documents: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the boxes whose document is not the one that the posted form showed, with words."""
    words = visit.message("documents_changed", "conflict")
    return {
        BOXES[document["kind"]]: words
        for document in documents
        if visit.form.get(f"{document['kind']}_version", document["version"]) != document["version"]
    }


def changes(text: str) -> Markup:
    """Return the section «Что изменилось» of a document; empty where it has none."""
    found = _CHANGES.search(text)
    return prose(found[1]) if found else Markup("")

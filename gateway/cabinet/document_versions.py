"""A version of a document as the pages show it: its text, what is new in it, its PDF."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from gateway.cabinet.static import static_path
from gateway.cabinet.visit import Visit
from gateway.documents.markdown import document_pdf
from gateway.documents.pictures import picture_of

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
    return [{**document, "size": len(pdf_of(document))} for document in found]


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
    return html(found[1]) if found else Markup("")


@lru_cache(maxsize=64)
def html(text: str) -> Markup:
    """Return Markdown of the operator as HTML; HTML inside it stays text."""
    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    made.add_render_rule("image", _image)
    return Markup(made.render(text))  # noqa: S704 - html=False escapes everything


def _image(_: Any, tokens: Sequence[Token], place: int, *_more: Any) -> str:
    """Return a picture that waits until it is scrolled to; what is none of ours is its text."""
    token = tokens[place]
    found = picture_of(str(token.attrGet("src") or ""))
    if found is None:
        return escape(token.content)
    return Markup(
        '<img class="shot" src="{}" alt="{}" width="{}" height="{}" loading="lazy">'
    ).format(static_path(found.name), token.content, found.width, found.height)

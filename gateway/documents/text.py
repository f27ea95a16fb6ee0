"""The rules, the consent and the instruction as PDF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.documents.engine import paper_pdf
from shared.documents.markdown import document_data


def document_pdf(document: Mapping[str, Any]) -> bytes:
    """Return the PDF of a document as identity answers it: ``{kind, version, title, text}``."""
    return paper_pdf("text", document_data(document), "ru")

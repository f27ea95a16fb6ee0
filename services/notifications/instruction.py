"""The instruction as PDF, as the welcome letter carries it: made once for each version."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from shared.documents.markdown import document_data
from shared.documents.printing import printed


def instruction_pdf(document: Mapping[str, Any]) -> bytes:
    """Return the PDF of an instruction as identity answers it."""
    return _made(document["version"], document["title"], document["text"])


@lru_cache(maxsize=2)
def _made(version: str, title: str, text: str) -> bytes:
    document = {"version": version, "title": title, "text": text}
    return printed("text", document_data(document), "ru")

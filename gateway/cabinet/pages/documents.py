"""The rules, the consent, the instruction (S5): as pages, each version."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup
from werkzeug.wrappers import Response

from gateway.cabinet.page import page
from gateway.cabinet.visit import Visit
from gateway.documents.files import file_response
from gateway.documents.markdown import document_pdf
from gateway.operations import Access


class DocumentPages:
    """Documents that people read before they agree."""

    @page(
        "GET", "/documents/<any(rules,consent,instruction):kind>", access=Access.PUBLIC, greets=True
    )
    def document_page(self, visit: Visit) -> Response:
        """Show a document: the version in force, or the one that is named."""
        document = _document(visit)
        return visit.render("document.html", document=document, body=_html(document["text"]))

    @page("GET", "/documents/<any(rules,consent,instruction):kind>.pdf", access=Access.PUBLIC)
    def document_file(self, visit: Visit) -> Response:
        """Return a document as PDF, to keep the version that was read."""
        document = _document(visit)
        name = f"{document['kind']}-{document['version']}"
        return file_response(document_pdf(document), name, "pdf")


def _document(visit: Visit) -> dict[str, Any]:
    found: dict[str, Any] = visit.services.call(
        "identity",
        "document",
        deadline=2.0,
        kind=visit.path["kind"],
        version=visit.query.get("version") or None,
    )
    return found


@lru_cache(maxsize=32)
def _html(text: str) -> Markup:
    """Return Markdown of ours as HTML; HTML inside it stays text."""
    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    return Markup(made.render(text))  # noqa: S704 - html=False escapes everything

"""The rules, the consent, the instruction (S5): as pages, each version."""

from __future__ import annotations

from functools import lru_cache

from markdown_it import MarkdownIt
from markupsafe import Markup
from werkzeug.wrappers import Response

from gateway.cabinet.page import page
from gateway.cabinet.visit import Visit
from gateway.operations import Access


class DocumentPages:
    """Documents that people read before they agree."""

    @page(
        "GET", "/documents/<any(rules,consent,instruction):kind>", access=Access.PUBLIC, greets=True
    )
    def document_page(self, visit: Visit) -> Response:
        """Show a document: the version in force, or the one that is named."""
        document = visit.services.call(
            "identity",
            "document",
            deadline=2.0,
            kind=visit.path["kind"],
            version=visit.query.get("version") or None,
        )
        return visit.render("document.html", document=document, body=_html(document["text"]))


@lru_cache(maxsize=32)
def _html(text: str) -> Markup:
    """Return Markdown of ours as HTML; HTML inside it stays text."""
    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    return Markup(made.render(text))  # noqa: S704 - html=False escapes everything

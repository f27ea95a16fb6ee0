"""The rules, the consent, the instruction (S5): as pages and as PDF, each version."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet.document_versions import pdf_of, read, size_of
from gateway.cabinet.markdown import prose
from gateway.cabinet.page import page
from gateway.cabinet.visit import Visit
from gateway.documents.files import file_response
from gateway.operations import Access
from shared.errors import NotFound, ValidationFailed


class DocumentPages:
    """Documents that people read before they agree."""

    @page(
        "GET", "/documents/<any(rules,consent,instruction):kind>", access=Access.PUBLIC, greets=True
    )
    def document_page(self, visit: Visit) -> Response:
        """Show a document: the version in force, or the one that is named; and all versions."""
        document = _document(visit)
        if document is None:
            return _unknown(visit)
        return visit.render(
            "document.html",
            document=document,
            body=prose(document["text"]),
            size=size_of(document),
        )

    @page("GET", "/documents/<any(rules,consent,instruction):kind>.pdf", access=Access.PUBLIC)
    def document_file(self, visit: Visit) -> Response:
        """Return a document as PDF, to keep the version that was read."""
        document = _document(visit)
        if document is None:
            return _unknown(visit)
        name = f"{document['kind']}-{document['version']}"
        return file_response(pdf_of(document), name, "pdf")


def _document(visit: Visit) -> dict[str, Any] | None:
    """Return the document of an address; None for a version that does not exist."""
    version = visit.query.get("version") or None
    try:
        return read(visit, visit.path["kind"], version)
    except (NotFound, ValidationFailed):
        if version is None:
            raise
        return None


def _unknown(visit: Visit) -> Response:
    return visit.render(
        "document_unknown.html", status=404, kind=visit.path["kind"], current=_current(visit)
    )


def _current(visit: Visit) -> dict[str, Any]:
    return read(visit, visit.path["kind"])

"""The rules, the consent and the instruction (S5)."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from gateway.operations import API, Access, Call, Operation
from gateway.schemas.sessions import Document, DocumentQuery
from gateway.web import route

_EXTENSIONS = {"text/markdown": "md", "text/html": "html", "text/plain": "txt"}


class DocumentRoutes:
    """Routes of the documents and their versions."""

    @route(
        Operation(
            method="GET",
            path=f"{API}/documents/<any(rules,consent,instruction):kind>",
            tag="Documents",
            summary="A document: as JSON with `Accept: application/json`, otherwise as a file.",
            description="The version given stays the same for ever; without one, the version in "
            "force is returned. Keep the version with a consent.",
            access=Access.PUBLIC,
            query=DocumentQuery,
            result=Document,
            media_type="text/markdown",
            refusals={404: ("document_not_found",)},
            revalidates=True,
        )
    )
    def document(self, call: Call) -> Any:
        kind = call.path["kind"]
        found = call.ask("identity", "document", kind=kind, version=call.query["version"])
        if "application/json" in call.request.headers.get("Accept", ""):
            return found
        response = Response(found["text"], content_type=f"{found['media_type']}; charset=utf-8")
        extension = _EXTENSIONS.get(found["media_type"], "txt")
        response.headers["Content-Disposition"] = (
            f'attachment; filename="{kind}-{found["version"]}.{extension}"'
        )
        response.headers["Content-Language"] = "ru"
        response.vary.add("Accept")
        return response

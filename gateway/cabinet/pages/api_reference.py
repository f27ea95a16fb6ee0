"""«Для разработчиков»: the API, the events, and the first receipt. The same for everybody."""

from __future__ import annotations

from werkzeug.wrappers import Response

from gateway.cabinet.api_description import api_reference
from gateway.cabinet.event_description import event_document, event_reference, event_schemas
from gateway.cabinet.first_receipt import commands
from gateway.cabinet.page import page
from gateway.cabinet.visit import Visit
from gateway.messages import text_explained
from gateway.operations import API, Access
from gateway.problems import Refusal
from shared.contracts.base import SCHEMA_BASE
from shared.contracts.json_schema import CONTENT_TYPE


class ApiReferencePages:
    """Pages made of the descriptions that programs read: nothing stands there twice."""

    @page("GET", "/api/docs", access=Access.PUBLIC, greets=True)
    def api_docs(self, visit: Visit) -> Response:
        """List the operations of the API, and what holds for all of them."""
        reference = api_reference(type(self))
        return visit.render("api_docs.html", reference=reference, openapi=f"{API}/openapi.json")

    @page("GET", "/api/docs/<operation>", access=Access.PUBLIC, greets=True)
    def api_operation(self, visit: Visit) -> Response:
        """Show one operation whole: parameters, bodies, answers, refusals, a call."""
        reference = api_reference(type(self))
        operation = reference.operations.get(visit.path["operation"])
        if operation is None:
            raise Refusal(404, "path_not_found")
        codes = {code for refusal in operation.refusals for code in refusal.codes}
        titles = {code: text_explained(code, visit.language)[0] for code in codes}
        return visit.render(
            "api_operation.html", operation=operation, titles=titles, problem=reference.problem
        )

    @page("GET", "/api/start", access=Access.PUBLIC, greets=True)
    def api_start(self, visit: Visit) -> Response:
        """Print the commands from nothing to a receipt; a test runs them as they are printed."""
        return visit.render("api_start.html", commands=commands())

    @page("GET", "/api/events", access=Access.PUBLIC, greets=True)
    def api_events(self, visit: Visit) -> Response:
        """List the published events, and say how to subscribe."""
        return visit.render("api_events.html", reference=event_reference())

    @page("GET", "/api/events/<owner>", access=Access.PUBLIC, greets=True)
    def api_owner(self, visit: Visit) -> Response:
        """Show the events of one service, each with its fields and an example."""
        owner = event_reference().owners.get(visit.path["owner"])
        if owner is None:
            raise Refusal(404, "path_not_found")
        return visit.render("api_owner.html", owner=owner)

    @page("GET", "/api/asyncapi.yaml", access=Access.PUBLIC, plain=True)
    def asyncapi_file(self, _visit: Visit) -> Response:
        """Return the description of the events, for generators."""
        return Response(event_document(), content_type="application/yaml")

    @page("GET", f"{SCHEMA_BASE}/<owner>/<event>/<version>", access=Access.PUBLIC, plain=True)
    def event_schema(self, visit: Visit) -> Response:
        """Return the JSON Schema of an event; messages name it by this address."""
        schema = event_schemas().get(visit.request.path)
        if schema is None:
            return Response("Not found", status=404, content_type="text/plain")
        return Response(schema, content_type=CONTENT_TYPE)

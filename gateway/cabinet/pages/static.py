"""Static files, and the page for whoever is lost."""

from __future__ import annotations

from werkzeug.wrappers import Response

from gateway.cabinet.page import page
from gateway.cabinet.static import static_response
from gateway.cabinet.visit import Visit
from gateway.operations import Access
from gateway.problems import Refusal
from gateway.web import ANY_OTHER_PATH


class StaticPages:
    """What is the same for everybody."""

    @page("GET", "/static/<name>", access=Access.PUBLIC, plain=True)
    def static_file(self, visit: Visit) -> Response:
        """Return a static file; an old name, of a release before, is not there."""
        found = static_response(visit.request, visit.path["name"])
        return found or Response("Not found", status=404, content_type="text/plain")

    @page("GET", ANY_OTHER_PATH, access=Access.PUBLIC)
    def lost(self, visit: Visit) -> Response:
        """Say that there is no such page."""
        raise Refusal(404, "path_not_found")

"""Pages to look something up on: words of the bill, accessibility, the problems of the API."""

from __future__ import annotations

from werkzeug.wrappers import Response

from gateway.cabinet.page import page
from gateway.cabinet.visit import Visit
from gateway.messages import CATALOGUE, fields_explained, text_explained
from gateway.operations import Access
from gateway.problems import Refusal


class ReferencePages:
    """The same for everybody, signed in or not."""

    @page("GET", "/glossary", access=Access.PUBLIC, greets=True)
    def glossary(self, visit: Visit) -> Response:
        """Explain the words of a bill; each has an anchor to link to."""
        return visit.render("glossary.html")

    @page("GET", "/accessibility", access=Access.PUBLIC, greets=True)
    def accessibility(self, visit: Visit) -> Response:
        """State what the cabinet does for those who see, hear or move differently."""
        return visit.render("accessibility.html")

    @page("GET", "/problems", access=Access.PUBLIC, greets=True)
    def problem_list(self, visit: Visit) -> Response:
        """List the problem types of the API."""
        titles = [(code, text_explained(code, visit.language)[0]) for code in sorted(CATALOGUE)]
        return visit.render("problems.html", problems=titles)

    @page("GET", "/problems/<code>", access=Access.PUBLIC, greets=True)
    def problem_page(self, visit: Visit) -> Response:
        """Explain a problem type: what happened, and what to do."""
        code = visit.path["code"]
        if code not in CATALOGUE:
            raise Refusal(404, "path_not_found")
        title, remedy = text_explained(code, visit.language)
        fields = fields_explained(visit.language) if code == "invalid_request" else []
        return visit.render("problem.html", code=code, title=title, remedy=remedy, fields=fields)

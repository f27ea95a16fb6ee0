"""The files of questions: downloads, never pages."""

from __future__ import annotations

from werkzeug.wrappers import Response

from gateway.cabinet.page import page
from gateway.cabinet.visit import Visit
from gateway.routes.attachments import download


class AttachmentPages:
    """Files that a person or the help desk has sent."""

    @page("GET", "/questions/<uuid:question_id>/attachments/<uuid:attachment_id>", bare=True)
    def attachment_file(self, visit: Visit) -> Response:
        """Return a file of the person's question as a download."""
        # Not by what a page remembers of its answers: a file is not to be held whole.
        person_id = visit.person.person_id if visit.person else ""
        return download(visit.service.services, person_id, visit.path)

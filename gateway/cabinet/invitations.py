"""An invitation that waits in the browser while its guest registers or logs in."""

from __future__ import annotations

from werkzeug.wrappers import Response

from gateway.cabinet import cookies
from gateway.cabinet.visit import Visit

SECONDS = 7 * 24 * 3600
"""As long as the link of an invitation works."""


def keep_invitation(visit: Visit, response: Response, token: str) -> None:
    """Let the browser keep an invitation, sealed, until it is accepted or has ended."""
    cookies.keep(
        response, cookies.INVITATION, visit.sealer.seal("invitation", token), seconds=SECONDS
    )


def waiting_invitation(visit: Visit) -> str:
    """Return the path of the invitation that this browser keeps; "" for none."""
    sealed = visit.request.cookies.get(cookies.INVITATION, "")
    token = visit.sealer.unseal("invitation", sealed, seconds=SECONDS) if sealed else None
    return f"/invitations/{token}" if token else ""

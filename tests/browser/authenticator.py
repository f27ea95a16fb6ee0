"""Chromium's virtual authenticator: passkeys of a telephone, with the finger always on it."""

from __future__ import annotations

from tests.browser.visitor import Visitor

_PHONE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class VirtualAuthenticator:
    """The authenticator of one browser, over the protocol of its developer tools."""

    def __init__(self, visitor: Visitor) -> None:
        self._session = visitor.context.new_cdp_session(visitor.page)
        self._session.send("WebAuthn.enable")
        made = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": _PHONE})
        self._id = {"authenticatorId": made["authenticatorId"]}

    def verify(self, verified: bool) -> None:
        """Let the owner's finger, or another one, lie on it from now on."""
        self._session.send("WebAuthn.setUserVerified", {**self._id, "isUserVerified": verified})

    @property
    def passkeys(self) -> int:
        """How many passkeys it keeps."""
        return len(self._session.send("WebAuthn.getCredentials", self._id)["credentials"])

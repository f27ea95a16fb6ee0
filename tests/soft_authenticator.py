"""An authenticator in software, which responds as a browser does with the real one."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


def base64url(raw: bytes) -> str:
    """Return bytes as WebAuthn's JSON has them."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def unbase64url(text: str) -> bytes:
    """Return the bytes of such a text."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class SoftAuthenticator:
    """One passkey of one user; what it does wrong is set by the test.

    ``counts`` is by how much its counter grows, 0 for one that has none.
    """

    def __init__(self, origin: str, *, counts: int = 0) -> None:
        self.origin = origin
        self.counts = counts
        self.counter = 0
        self.verifies = True
        self.credential_id = secrets.token_bytes(32)
        self.user = b""
        self._key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return what ``navigator.credentials.create()`` makes of the options."""
        self.user = unbase64url(options["user"]["id"])
        numbers = self._key.public_key().public_numbers()
        public_key = {
            1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32),
        }  # fmt: skip
        attested = (
            bytes(16)
            + len(self.credential_id).to_bytes(2)
            + self.credential_id
            + cbor2.dumps(public_key)
        )
        data = self._data(options["rp"]["id"], _ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._credential(
            clientDataJSON=self._client_data("webauthn.create", options["challenge"]),
            attestationObject=attestation,
        )

    def use(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return what ``navigator.credentials.get()`` makes of the options."""
        self.counter += self.counts
        client_data = self._client_data("webauthn.get", options["challenge"])
        data = self._data(options["rpId"], 0)
        signed = data + hashlib.sha256(client_data).digest()
        return self._credential(
            clientDataJSON=client_data,
            authenticatorData=data,
            signature=self._key.sign(signed, ec.ECDSA(SHA256())),
            userHandle=self.user,
        )

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _data(self, party: str, flags: int) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        return hashlib.sha256(party.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4)

    def _credential(self, **response: bytes) -> dict[str, Any]:
        name = base64url(self.credential_id)
        encoded = {member: base64url(raw) for member, raw in response.items()}
        return {"id": name, "rawId": name, "type": "public-key", "response": encoded}

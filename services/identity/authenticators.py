"""WebAuthn: what a browser is asked for, and whether what an authenticator signed is right.

The library, with the formats of certificates that it knows, is imported by the first passkey: it
takes 6 MB of each process that has this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from services.identity.limits import CHALLENGE_LIFE
from services.identity.one_time_codes import ISSUER
from services.identity.passkeys import Passkey
from services.identity.refusals import refused
from shared.errors import Conflict
from shared.logs import get_logger
from shared.relying_party import RelyingParty, relying_party_of

if TYPE_CHECKING:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

log = get_logger(__name__)

_TIMEOUT_MS = int(CHALLENGE_LIFE.total_seconds() * 1000)


@dataclass(frozen=True)
class NewCredential:
    """A credential that an authenticator has made for this site."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class Authenticators:
    """The ceremonies of one installation; its public URL gives the name that passkeys bind to."""

    def __init__(self, url: str) -> None:
        self._found = relying_party_of(url)

    @property
    def party(self) -> RelyingParty:
        """The relying party. Raises Conflict ``passkeys_unavailable`` where there is none."""
        if self._found is None:
            raise Conflict(
                "passkeys_unavailable",
                "Passkeys need HTTPS and a host name: SALDO_URL has neither or an IP address.",
            )
        return self._found

    @property
    def available(self) -> bool:
        """Whether this installation can have passkeys."""
        return self._found is not None

    def creation_options(
        self, person_id: UUID, email: str, nonce: bytes, known: Sequence[Passkey]
    ) -> dict[str, Any]:
        """Return the options of ``navigator.credentials.create()`` as JSON.

        A passkey has to be discoverable and to verify its user: then it signs in by itself.
        """
        from webauthn import generate_registration_options
        from webauthn.helpers import options_to_json_dict
        from webauthn.helpers.structs import (
            AuthenticatorSelectionCriteria,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        options = generate_registration_options(
            rp_id=self.party.id,
            rp_name=ISSUER,
            user_id=person_id.bytes,
            user_name=email,
            challenge=nonce,
            timeout=_TIMEOUT_MS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_descriptors(known),
        )
        return options_to_json_dict(options)

    def request_options(self, nonce: bytes, known: Sequence[Passkey] = ()) -> dict[str, Any]:
        """Return the options of ``navigator.credentials.get()`` as JSON.

        With no passkey named, the person chooses one, and it has to verify him.
        """
        from webauthn import generate_authentication_options
        from webauthn.helpers import options_to_json_dict
        from webauthn.helpers.structs import UserVerificationRequirement

        options = generate_authentication_options(
            rp_id=self.party.id,
            challenge=nonce,
            timeout=_TIMEOUT_MS,
            allow_credentials=_descriptors(known),
            user_verification=(
                UserVerificationRequirement.PREFERRED
                if known
                else UserVerificationRequirement.REQUIRED
            ),
        )
        return options_to_json_dict(options)

    def created(self, credential: Mapping[str, Any], nonce: bytes) -> NewCredential:
        """Return a credential that was made for a nonce.

        Raises ValidationFailed ``passkey_refused``.
        """
        from webauthn import verify_registration_response

        with _refusing():
            made = verify_registration_response(
                credential=dict(credential),
                expected_challenge=nonce,
                expected_rp_id=self.party.id,
                expected_origin=self.party.origin,
                require_user_verification=True,
            )
        return NewCredential(made.credential_id, made.credential_public_key, made.sign_count)

    def used(
        self, credential: Mapping[str, Any], nonce: bytes, passkey: Passkey, *, alone: bool
    ) -> int:
        """Return the counter of an authenticator that has signed a nonce with a passkey.

        ``alone``: nothing else says who it is, so it has to name and to verify its user. A counter
        that did not grow is that of a copy. Raises ValidationFailed ``passkey_refused``.
        """
        from webauthn import verify_authentication_response
        from webauthn.helpers.exceptions import WebAuthnException

        with _refusing():
            if alone and user_of(credential) != passkey.person_id.bytes:
                raise WebAuthnException("the passkey names another user")
            signed = verify_authentication_response(
                credential=dict(credential),
                expected_challenge=nonce,
                expected_rp_id=self.party.id,
                expected_origin=self.party.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=alone,
            )
        return signed.new_sign_count


def id_of(credential: Mapping[str, Any]) -> bytes:
    """Return the id of a credential. Raises ValidationFailed ``passkey_refused``."""
    from webauthn.helpers import base64url_to_bytes

    with _refusing():
        return base64url_to_bytes(credential["rawId"])


def nonce_of(credential: Mapping[str, Any]) -> bytes:
    """Return the nonce that was signed. Raises ValidationFailed ``passkey_refused``."""
    from webauthn.helpers import base64url_to_bytes, parse_client_data_json

    with _refusing():
        text = credential["response"]["clientDataJSON"]
        return parse_client_data_json(base64url_to_bytes(text)).challenge


def user_of(credential: Mapping[str, Any]) -> bytes:
    """Return the user that a passkey names; raises what base64 raises."""
    from webauthn.helpers import base64url_to_bytes

    return base64url_to_bytes(credential["response"].get("userHandle") or "")


def _descriptors(known: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    return [PublicKeyCredentialDescriptor(id=passkey.credential_id) for passkey in known]


@contextmanager
def _refusing() -> Iterator[None]:
    # What comes from a browser is CBOR, ASN.1 and JSON of a stranger: the library reports some of
    # it by exceptions of its own, and lets through what its parsers and OpenSSL raise.
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever was sent, it is no signature of ours
        log.info("passkey_refused", cause=type(error).__name__)
        raise refused("passkey_refused") from None

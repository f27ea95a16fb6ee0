"""What an authenticator signed is right, or refused, whatever it is."""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import cbor2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_steps import refusal_of

from services.identity.authenticators import Authenticators, id_of, nonce_of
from services.identity.passkeys import Passkey
from shared.errors import ValidationFailed
from tests.soft_authenticator import SoftAuthenticator, base64url, unbase64url

URL = "https://lk.example.org"
PERSON = UUID("7d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b01")
NONCE, ANOTHER = b"n" * 32, b"m" * 32
OURS = Authenticators(URL)
REFUSED = "passkey_refused"


def asked_to_create(url: str = URL) -> dict[str, Any]:
    return Authenticators(url).creation_options(PERSON, "anna@example.org", NONCE, [])


def added(key: SoftAuthenticator) -> Passkey:
    made = OURS.created(key.create(asked_to_create()), NONCE)
    return Passkey(
        passkey_id=uuid4(),
        person_id=PERSON,
        credential_id=made.credential_id,
        public_key=made.public_key,
        sign_count=made.sign_count,
        name="",
        added_at=datetime(2026, 11, 23, tzinfo=UTC),
    )


def test_a_passkey_is_asked_to_be_discoverable_and_to_verify_its_user() -> None:
    known = added(SoftAuthenticator(URL))
    options = OURS.creation_options(PERSON, "anna@example.org", NONCE, [known])
    assert options["rp"] == {"name": "Saldo", "id": "lk.example.org"}
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert unbase64url(options["user"]["id"]) == PERSON.bytes
    excluded = [unbase64url(one["id"]) for one in options["excludeCredentials"]]
    assert excluded == [known.credential_id]
    assert json.loads(json.dumps(options)) == options


def test_what_was_created_and_signed_is_accepted() -> None:
    key = SoftAuthenticator(URL, counts=1)
    passkey = added(key)
    signed = key.use(OURS.request_options(NONCE))
    assert (id_of(signed), nonce_of(signed)) == (key.credential_id, NONCE)
    assert OURS.used(signed, NONCE, passkey, alone=True) == 1


@pytest.mark.parametrize("origin", ["https://lk.example.com", "http://lk.example.org", ""])
def test_another_site_gets_no_passkey_and_no_signature(origin: str) -> None:
    key = SoftAuthenticator(URL)
    passkey = added(key)
    key.origin = origin
    assert refusal_of(OURS.created, key.create(asked_to_create()), NONCE).code == REFUSED
    signed = key.use(OURS.request_options(NONCE))
    assert refusal_of(OURS.used, signed, NONCE, passkey, alone=False).code == REFUSED


def test_a_signature_for_another_name_is_refused() -> None:
    key = SoftAuthenticator(URL)
    passkey = added(key)
    signed = key.use({**OURS.request_options(NONCE), "rpId": "example.com"})
    assert refusal_of(OURS.used, signed, NONCE, passkey, alone=False).code == REFUSED


def test_another_nonce_is_refused() -> None:
    key = SoftAuthenticator(URL)
    passkey = added(key)
    assert refusal_of(OURS.created, key.create(asked_to_create()), ANOTHER).code == REFUSED
    signed = key.use(OURS.request_options(NONCE))
    assert refusal_of(OURS.used, signed, ANOTHER, passkey, alone=True).code == REFUSED


def test_the_signature_of_another_key_is_refused() -> None:
    passkey, stranger = added(SoftAuthenticator(URL)), SoftAuthenticator(URL)
    stranger.create(asked_to_create())
    signed = stranger.use(OURS.request_options(NONCE))
    assert refusal_of(OURS.used, signed, NONCE, passkey, alone=False).code == REFUSED


def test_alone_a_passkey_has_to_verify_and_to_name_its_user() -> None:
    key = SoftAuthenticator(URL)
    passkey = added(key)
    key.verifies = False
    assert refusal_of(OURS.created, key.create(asked_to_create()), NONCE).code == REFUSED
    signed = key.use(OURS.request_options(NONCE))
    assert refusal_of(OURS.used, signed, NONCE, passkey, alone=True).code == REFUSED
    assert OURS.used(signed, NONCE, passkey, alone=False) == 0, "after a password it is enough"
    key.verifies, key.user = True, uuid4().bytes
    signed = key.use(OURS.request_options(NONCE))
    assert refusal_of(OURS.used, signed, NONCE, passkey, alone=True).code == REFUSED


def test_a_counter_that_did_not_grow_is_that_of_a_copy() -> None:
    key = SoftAuthenticator(URL, counts=1)
    passkey = added(key)
    first, second = (key.use(OURS.request_options(NONCE)) for _ in range(2))
    count = OURS.used(second, NONCE, passkey, alone=False)
    assert count == 2
    used = msgspec.structs.replace(passkey, sign_count=count)
    assert refusal_of(OURS.used, first, NONCE, used, alone=False).code == REFUSED


def test_an_installation_without_a_name_has_no_passkeys() -> None:
    without = Authenticators("https://192.0.2.7")
    assert not without.available
    assert refusal_of(without.request_options, NONCE).code == "passkeys_unavailable"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_garbage_is_refused_and_never_a_defect(data: st.DataObject) -> None:
    """Whatever is broken off, flipped or replaced in what an authenticator sent."""
    key = SoftAuthenticator(URL)
    passkey = added(key)
    created = data.draw(st.booleans())
    credential = key.create(asked_to_create()) if created else key.use(OURS.request_options(NONCE))
    broken = deepcopy(credential)
    place = data.draw(st.sampled_from(sorted(broken["response"])))
    raw = bytearray(unbase64url(broken["response"][place]))
    at = data.draw(st.integers(0, 10_000)) % len(raw)  # a signature is not always equally long
    if data.draw(st.booleans()):
        del raw[at:]
    else:
        raw[at : at + 4] = data.draw(st.binary(min_size=1, max_size=8))
    broken["response"][place] = base64url(bytes(raw))
    with suppress(ValidationFailed):  # anything else is a defect
        if created:
            OURS.created(broken, NONCE)
        else:
            OURS.used(broken, NONCE, passkey, alone=True)


@pytest.mark.parametrize(
    "credential",
    [
        {},
        {"rawId": 7, "response": None},
        {"id": "a", "rawId": "%", "type": "public-key", "response": {"clientDataJSON": "AAAA"}},
        {"rawId": "AAAA", "response": {"clientDataJSON": base64url(b"[]")}},
        {"rawId": "AAAA", "response": {"clientDataJSON": base64url(b"[" * 100_000)}},
        {"rawId": "AAAA", "response": {"attestationObject": base64url(cbor2.dumps([1]) * 9)}},
    ],
)
def test_what_is_no_credential_is_refused(credential: dict[str, Any]) -> None:
    assert refusal_of(OURS.created, credential, NONCE).code == REFUSED
    assert refusal_of(nonce_of, credential).code == REFUSED

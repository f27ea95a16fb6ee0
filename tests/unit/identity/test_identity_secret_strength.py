"""How strong secrets are, how passwords are kept, and what the policy never does to them."""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta
from typing import Any
from uuid import uuid4

from identity_steps import refusal_of

from services.identity.fingerprints import Fingerprints, new_token
from services.identity.password_policy import check_password
from services.identity.passwords import Passwords


class OneKey:
    """A source of keys that has one for all purposes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hash_key(self, purpose: str) -> bytes:
        return self._key


LONG = "correct horse battery staple, " * 6  # 180 characters


def test_tokens_have_256_bits() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(base64.urlsafe_b64decode(token + "=")) for token in tokens} == {32}


def test_tokens_of_a_command_have_256_bits_of_a_key_that_others_have_not() -> None:
    session_id, command_ids = uuid4(), [uuid4() for _ in range(1000)]
    ours, others = (Fingerprints(OneKey(secrets.token_bytes(32))) for _ in range(2))
    tokens = {ours.renewed_token(session_id, one) for one in command_ids}
    assert len(tokens) == 1000
    assert {len(base64.urlsafe_b64decode(token + "=")) for token in tokens} == {32}
    assert tokens == {ours.renewed_token(session_id, one) for one in command_ids}
    assert not tokens & {others.renewed_token(session_id, one) for one in command_ids}
    assert not tokens & {ours.renewed_token(uuid4(), one) for one in command_ids}


def test_passwords_have_the_hash_that_owasp_recommends() -> None:
    kept = Passwords().hash("plain words in a row")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    salt = kept.split("$")[4]
    assert len(base64.b64decode(salt + "==")) >= 16
    assert kept != Passwords().hash("plain words in a row")


def test_passwords_are_not_cut_or_folded() -> None:
    passwords = Passwords(time_cost=1, memory_cost=64)
    check_password(LONG)
    kept = passwords.hash(LONG)
    assert passwords.verify(kept, LONG)
    for other in (LONG[:-1], LONG + " ", " " + LONG, LONG.upper(), LONG[:72], LONG[:64]):
        assert not passwords.verify(kept, other)
    nul = "before\0after, and more"
    assert not passwords.verify(passwords.hash(nul), "before")


def test_a_password_of_years_ago_still_opens(identity: Any) -> None:
    person_id = identity.person()
    sent = identity.call("issue_temporary_password", person_id=person_id)["password"]
    session = identity.sign_in(sent)
    identity.call(
        "change_password",
        person_id=person_id,
        session_id=session["session_id"],
        current_password=sent,
        new_password="длинная фраза 1",
    )
    identity.clock.advance(timedelta(days=5 * 365))
    assert identity.sign_in("длинная фраза 1")["must_change_password"] is False
    assert refusal_of(identity.sign_in, "длинная фраза 2").code == "wrong_credentials"

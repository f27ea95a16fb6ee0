"""What a recovery leaves of the second factor: nothing that a stranger may just have added."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from factor_steps import ORIGIN, Member
from identity_steps import refusal_of

from services.identity.factor_events import PasskeyRemoved, TotpDisabled
from services.identity.limits import FRESH_FACTOR
from tests.soft_authenticator import SoftAuthenticator

NEW = "совсем другая фраза"
IP = "203.0.113.7"


@pytest.fixture
def anna(identity: Any) -> Member:
    return Member(identity)


@pytest.fixture
def key() -> SoftAuthenticator:
    return SoftAuthenticator(ORIGIN, counts=1)


def recover(identity: Any) -> None:
    identity.call("request_password_reset", email="anna@example.org", ip=IP)
    reset_id = str(identity.store.log[-1].originator_id)
    token = identity.call("issue_reset_link", reset_id=reset_id)["token"]
    identity.call("confirm_password_reset", token=token, new_password=NEW, ip=IP)


def alone(identity: Any, key: SoftAuthenticator) -> Any:
    signed = key.use(identity.call("passkey_request")["passkey"])
    return identity.call("sign_in_by_passkey", passkey=signed, device="Firefox", ip=IP)


def test_fresh_factors_are_removed_and_the_owner_gets_in(
    anna: Member, key: SoftAuthenticator
) -> None:
    anna.add_passkey(key)
    anna.add_totp()
    recover(anna.identity)
    assert anna.identity.sign_in(NEW)["token"]
    assert refusal_of(alone, anna.identity, key).code == "passkey_refused"
    kinds = [type(event) for event in anna.identity.events()]
    assert (kinds.count(PasskeyRemoved), kinds.count(TotpDisabled)) == (1, 1)
    assert anna.identity.tables.second_factors.recovery_codes.rows == {}


def test_fresh_codes_are_removed_and_an_older_app_stays(anna: Member) -> None:
    anna.add_totp()
    anna.identity.clock.advance(FRESH_FACTOR + timedelta(minutes=1))
    anna.session = anna.second(anna.password(), code=anna.app_code())
    anna.confirmed("issue_recovery_codes")
    recover(anna.identity)
    assert anna.password(NEW)["methods"] == ["totp"]


def test_an_older_passkey_signs_in_alone_once_it_followed_the_new_password(
    anna: Member, key: SoftAuthenticator
) -> None:
    anna.add_passkey(key)
    anna.identity.clock.advance(FRESH_FACTOR + timedelta(minutes=1))
    recover(anna.identity)
    assert refusal_of(alone, anna.identity, key).code == "passkey_refused"
    challenge = anna.password(NEW)
    step = anna.identity.call("second_step", challenge_id=challenge["challenge_id"])
    assert anna.second(challenge, passkey=key.use(step["passkey"]))["token"]
    assert alone(anna.identity, key)["token"]

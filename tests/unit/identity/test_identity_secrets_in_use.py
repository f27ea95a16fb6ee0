"""Before a letter is sent once more, identity is asked whether its secret is still of use."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from identity_steps import email_links, refusal_of

from services.identity.domain import SignInLinkRequested
from shared.letters import SecretOf

IP = "203.0.113.7"
OWN = "длинная фраза 1"


def needed(identity: Any, secret: SecretOf, about: object) -> bool:
    answer = identity.call("secret_needed", secret=secret.value, about=str(about))
    return bool(answer["needed"])


def test_a_code_is_needed_until_the_registration_is_confirmed(identity: Any) -> None:
    registration_id = identity.start()
    code = identity.call("issue_registration_code", registration_id=registration_id)["code"]
    assert needed(identity, SecretOf.REGISTRATION, registration_id)
    assert identity.confirm(registration_id, code)["status"] == "confirmed", "asking voids nothing"
    assert not needed(identity, SecretOf.REGISTRATION, registration_id)


def test_a_temporary_password_is_needed_until_one_is_chosen(identity: Any) -> None:
    person_id = identity.person("boris@example.org")
    assert needed(identity, SecretOf.TEMPORARY_PASSWORD, person_id)
    chosen = identity.member(OWN)["person_id"]
    assert not needed(identity, SecretOf.TEMPORARY_PASSWORD, chosen)


def test_a_link_of_a_recovery_is_needed_until_the_password_is_replaced(identity: Any) -> None:
    identity.member(OWN)
    first, second = (reset(identity) for _ in range(2))
    token = identity.call("issue_reset_link", reset_id=first)["token"]
    assert needed(identity, SecretOf.RESET, first)
    asked = {"token": token, "new_password": "другая фраза 2", "ip": IP}
    assert identity.call("confirm_password_reset", **asked) == {}
    assert not needed(identity, SecretOf.RESET, first)
    assert not needed(identity, SecretOf.RESET, second), "void with the first"


def test_a_link_that_signs_in_is_needed_until_it_is_used(identity: Any) -> None:
    identity.member(OWN)
    for number in range(101):
        refusal_of(identity.sign_in, "guess", ip=f"198.51.100.{number}")
    refusal_of(identity.sign_in, OWN, ip="192.0.2.1")
    (letter,) = [one for one in identity.events() if isinstance(one, SignInLinkRequested)]
    token = identity.call("issue_sign_in_link", link_id=str(letter.link_id))["token"]
    assert needed(identity, SecretOf.SIGN_IN_LINK, letter.link_id)
    identity.call("sign_in_by_link", token=token, device="Firefox", ip="192.0.2.1")
    assert not needed(identity, SecretOf.SIGN_IN_LINK, letter.link_id)


def test_a_link_of_a_mailbox_is_needed_until_it_confirms_or_the_change_is_over(
    identity: Any,
) -> None:
    session = identity.member(OWN)
    identity.call(
        "request_email_change",
        person_id=session["person_id"],
        session_id=session["session_id"],
        email="anna.new@example.org",
        current_password=OWN,
        ip=IP,
    )
    change_id = str(identity.store.log[-1].originator_id)
    links = email_links(identity, change_id)
    sides = (SecretOf.EMAIL_NEW, SecretOf.EMAIL_OLD)
    assert [needed(identity, side, change_id) for side in sides] == [True, True]
    identity.call("confirm_email_change", token=links["new_token"], ip=IP)
    assert [needed(identity, side, change_id) for side in sides] == [False, True]
    identity.call("refuse_email_change", token=links["old_token"], ip=IP)
    assert [needed(identity, side, change_id) for side in sides] == [False, False]


@pytest.mark.parametrize("secret", SecretOf)
def test_nothing_is_needed_of_what_nobody_knows(identity: Any, secret: SecretOf) -> None:
    assert not needed(identity, secret, uuid4())


def reset(identity: Any) -> str:
    identity.call("request_password_reset", email="anna@example.org", ip=IP)
    return str(identity.store.log[-1].originator_id)

"""The second step once more before changes of access; how recovery codes are stored."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from factor_steps import ORIGIN, OWN, Member
from identity_steps import another, refusal_of

from services.identity.limits import (
    REAUTHENTICATION_LIFE,
    SESSION_CODES,
    SESSION_CODES_OF_DAY,
)
from services.identity.stretching import stretched
from shared.access_settings import AccessSettings
from tests.soft_authenticator import SoftAuthenticator

CHANGES: dict[str, dict[str, Any]] = {
    "start_passkey": {"name": "Телефон"},
    "start_totp": {},
    "remove_passkey": {"passkey_id": "7f7bb8f0-8f8b-4c83-8f8d-6b7f3cf2b0aa"},
    "disable_totp": {},
    "issue_recovery_codes": {},
    "change_password": {"new_password": "совсем другая фраза"},
    "request_email_change": {"email": "new@example.org", "ip": "203.0.113.7"},
}
REFUSED_AFTER_THE_STEP = {"start_totp": "totp_enabled", "remove_passkey": "passkey_not_found"}


@pytest.fixture
def anna(identity: Any) -> Member:
    """A member with an app, whose second step was taken too long ago."""
    member = Member(identity)
    member.add_totp()
    identity.clock.advance(REAUTHENTICATION_LIFE)
    return member


def step(member: Member, **factor: Any) -> Any:
    return member.call("reauthenticate", **factor)


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_access_asks_for_the_second_step(anna: Member, change: str) -> None:
    refused = refusal_of(anna.confirmed, change, **CHANGES[change])
    assert (refused.kind, refused.code) == ("forbidden", "reauthentication_required")
    step(anna, code=anna.app_code())
    if change in REFUSED_AFTER_THE_STEP:
        refused = refusal_of(anna.confirmed, change, **CHANGES[change])
        assert refused.code == REFUSED_AFTER_THE_STEP[change]
    else:
        anna.confirmed(change, **CHANGES[change])


def test_the_data_is_erased_only_after_the_second_step(anna: Member) -> None:
    refused = refusal_of(anna.call, "withdraw_consent", password=OWN)
    assert refused.code == "reauthentication_required"
    step(anna, code=anna.app_code())
    assert anna.call("withdraw_consent", password=OWN)["erased"]


def test_without_a_second_factor_the_password_is_enough(identity: Any) -> None:
    member = Member(identity)
    shown = member.call("reauthentication")
    assert shown == {"required": False, "methods": [], "passkey": None, "until": None}
    assert refusal_of(step, member, code="123456").code == "second_factor_missing"
    identity.clock.advance(timedelta(days=1))
    member.confirmed("change_password", new_password="совсем другая фраза")


def test_nothing_is_learned_of_the_password_before_the_step(anna: Member) -> None:
    for password in (OWN, "not the password"):
        refused = refusal_of(anna.confirmed, "start_passkey", password, name="Телефон")
        assert refused.code == "reauthentication_required"
    step(anna, code=anna.app_code())
    refused = refusal_of(anna.confirmed, "disable_totp", "not the password")
    assert refused.code == "wrong_current_password"


def test_a_step_serves_ten_minutes_in_its_session_alone(anna: Member) -> None:
    taken = step(anna, code=anna.app_code())
    shown = anna.call("reauthentication")
    assert (shown["required"], shown["until"]) == (False, taken["until"])
    clock = anna.identity.clock
    clock.advance(REAUTHENTICATION_LIFE - timedelta(seconds=1))
    anna.confirmed("issue_recovery_codes")
    clock.advance(timedelta(seconds=1))
    assert refusal_of(anna.confirmed, "disable_totp").code == "reauthentication_required"
    elsewhere = copy(anna)
    elsewhere.session = anna.second(anna.password(), code=anna.app_code())
    elsewhere.confirmed("issue_recovery_codes")
    assert anna.call("reauthentication")["required"], "the log-in elsewhere is no step here"


def test_a_passkey_takes_the_step_once(identity: Any) -> None:
    member, key = Member(identity), SoftAuthenticator(ORIGIN)
    member.add_passkey(key)
    identity.clock.advance(REAUTHENTICATION_LIFE)
    shown = member.call("reauthentication")
    assert (shown["required"], shown["methods"]) == (True, ["passkey", "recovery_code"])
    signed = key.use(shown["passkey"])
    step(member, passkey=signed)
    member.confirmed("issue_recovery_codes")
    identity.clock.advance(REAUTHENTICATION_LIFE - timedelta(seconds=1))
    assert refusal_of(step, member, passkey=signed).code == "challenge_expired"
    other = Member(identity, "boris@example.org")
    other.add_passkey(SoftAuthenticator(ORIGIN))
    identity.clock.advance(REAUTHENTICATION_LIFE)
    signed = key.use(member.call("reauthentication")["passkey"])
    assert refusal_of(step, other, passkey=signed).code == "passkey_refused"


def test_a_code_on_paper_takes_the_step_when_the_telephone_is_lost(anna: Member) -> None:
    code = anna.codes[3]
    step(anna, code=code)
    anna.confirmed("disable_totp")
    anna.confirmed("start_totp")


def test_wrong_codes_are_counted_and_the_session_ends(anna: Member) -> None:
    clock = anna.identity.clock
    for left in reversed(range(SESSION_CODES.most)):
        refused = refusal_of(step, anna, code=another(anna.app_code()))
        assert (refused.code, refused.params["attempts_left"]) == ("wrong_second_factor", left)
    assert refusal_of(step, anna, code=anna.app_code()).code == "too_many_attempts"
    clock.advance(SESSION_CODES.window)
    for _ in range(SESSION_CODES_OF_DAY.most - SESSION_CODES.most):
        assert refusal_of(step, anna, code=another(anna.app_code())).code == "wrong_second_factor"
    clock.advance(SESSION_CODES.window)
    assert refusal_of(step, anna, code=anna.app_code()).code == "session_expired"
    assert refusal_of(anna.call, "reauthentication").code == "session_expired"
    assert anna.second(anna.password(), code=anna.app_code())["token"], "the owner gets in"


def test_a_right_code_forgets_the_wrong_ones(anna: Member) -> None:
    clock = anna.identity.clock
    for _ in range(3):
        for _ in range(SESSION_CODES.most - 1):
            refusal_of(step, anna, code=another(anna.app_code()))
        step(anna, code=anna.app_code())
        clock.advance(timedelta(minutes=1))


def test_the_step_is_in_the_security_log(anna: Member) -> None:
    step(anna, code=anna.app_code())
    noted = [entry.action for entry in anna.identity.store.security_log]
    assert noted[-1] == "second_step_taken"


def test_stored_recovery_codes_are_stretched_with_a_salt(anna: Member) -> None:
    codes = anna.identity.tables.second_factors.recovery_codes
    person = next(iter(codes.rows))[0]
    recipe = codes.recipe_of(person)
    assert recipe.startswith("$argon2id$v=19$m=")
    plain = anna.identity.service._fingerprints.recovery_code(anna.codes[0])
    assert (person, plain) not in codes.rows
    assert (person, stretched(plain, recipe)) in codes.rows
    boris = Member(anna.identity, "boris@example.org")
    boris.add_totp()
    recipes = set(codes.recipes.values())
    assert len(recipes) == 2, "each issue has a salt of its own"


def test_recovery_codes_issued_before_still_serve(anna: Member) -> None:
    codes = anna.identity.tables.second_factors.recovery_codes
    (person, _), at = next(iter(codes.rows.items()))
    digest = anna.identity.service._fingerprints.recovery_code("1111 2222 3333")
    codes.rows, codes.recipes = {(person, digest): at}, {person: None}
    step(anna, code="1111-2222-3333")
    assert not codes.has(person)


def test_no_code_is_stretched_before_the_password_is_given(
    anna: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge = anna.password()
    strange = {**challenge, "challenge_id": "7f7bb8f0-8f8b-4c83-8f8d-6b7f3cf2b0aa"}
    calls: list[str] = []
    passwords = anna.identity.service.passwords
    real = type(passwords).stretched

    def counted(self: Any, digest: bytes, recipe: str) -> bytes:
        calls.append(recipe)
        return real(self, digest, recipe)

    monkeypatch.setattr(type(passwords), "stretched", counted)
    assert refusal_of(anna.second, strange, code="111122223333").code == "challenge_expired"
    assert calls == []
    for _ in range(5):
        refusal_of(anna.second, challenge, code="111122223333")
    assert len(calls) == 5
    assert refusal_of(anna.second, challenge, code="111122223333").code == "challenge_expired"
    assert len(calls) == 5


def test_another_recipe_is_a_defect() -> None:
    with pytest.raises(ValueError, match="recipe"):
        stretched(b"x", "$scrypt$")


def test_a_required_factor_is_due_until_it_is_set_up(identity: Any) -> None:
    member = Member(identity)
    token = member.session["token"]
    assert identity.call("authenticate", token=token)["must_add_factor"] is False
    for required, due in (("organisation", False), ("individual", True)):
        access = AccessSettings(second_factor=frozenset({required}))
        identity.service.settings = replace(identity.service.settings, access=access)
        assert identity.call("authenticate", token=token)["must_add_factor"] is due
    member.add_totp()
    token = member.session["token"]
    assert identity.call("authenticate", token=token)["must_add_factor"] is False
    member.confirmed("disable_totp")


def test_sessions_asked_together_are_answered_as_each_alone(identity: Any) -> None:
    access = AccessSettings(second_factor=frozenset({"individual"}))
    identity.service.settings = replace(identity.service.settings, access=access)
    member = Member(identity)
    for due in (True, False):
        token = member.session["token"]
        alone = identity.call("authenticate", token=token)
        found, strange = identity.service.authenticate_many([{"token": token}, {"token": "x" * 43}])
        assert (found, alone["must_add_factor"]) == (alone, due)
        assert strange.code == "session_expired"
        if due:
            member.add_totp()

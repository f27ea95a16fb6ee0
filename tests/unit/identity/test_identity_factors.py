"""Adding and removing second factors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from factor_steps import ORIGIN, OWN, Member
from identity_steps import refusal_of
from msgspec.structs import replace

from services.identity import factors
from services.identity.domain import PersonRegistered
from services.identity.factor_events import (
    PasskeyAdded,
    PasskeyRemoved,
    RecoveryCodesIssued,
    SecondFactorReset,
    TotpDisabled,
    TotpEnabled,
)
from services.identity.limits import CURRENT_PASSWORDS, PASSKEYS_PER_PERSON
from tests.soft_authenticator import SoftAuthenticator


@pytest.fixture
def anna(identity: Any) -> Member:
    return Member(identity)


@pytest.fixture
def key() -> SoftAuthenticator:
    return SoftAuthenticator(ORIGIN, counts=1)


def overview(member: Member) -> Any:
    return member.identity.call("second_factors", person_id=member.session["person_id"])


def kinds_of(identity: Any) -> list[type]:
    return [type(event) for event in identity.events()]


def test_at_first_there_is_no_second_factor(anna: Member) -> None:
    assert overview(anna) == {"passkeys": [], "totp": None, "recovery_codes": None}
    assert anna.identity.sign_in(OWN)["token"]


def test_an_app_is_set_up_by_its_first_code(anna: Member) -> None:
    started = anna.confirmed("start_totp")
    assert started["uri"].startswith("otpauth://totp/Saldo:anna%40example.org?secret=")
    again = anna.call("totp_challenge", challenge_id=started["challenge_id"])
    assert again == started, "the page can be loaded again"
    assert overview(anna)["totp"] is None
    enabled = anna.add_totp()
    assert len(set(enabled["recovery_codes"])) == 10
    shown = overview(anna)
    assert shown["totp"]["last_used_at"] is None
    assert shown["recovery_codes"]["left"] == 10
    assert kinds_of(anna.identity)[-1] is TotpEnabled
    assert refusal_of(anna.confirmed, "start_totp").code == "totp_enabled"


def test_a_wrong_first_code_sets_nothing_up(anna: Member) -> None:
    started = anna.confirmed("start_totp")
    anna.secret = started["secret"]
    wrong = f"{(int(anna.app_code()) + 1) % 1_000_000:06d}"
    attempt = {"challenge_id": started["challenge_id"], "code": wrong}
    for left in (4, 3, 2, 1, 0):
        refused = refusal_of(anna.call, "enable_totp", **attempt)
        assert (refused.code, refused.params["attempts_left"]) == ("wrong_second_factor", left)
    right = {**attempt, "code": anna.app_code()}
    assert refusal_of(anna.call, "enable_totp", **right).code == "challenge_expired"
    assert overview(anna)["totp"] is None


def test_a_passkey_is_added_with_its_name(anna: Member, key: SoftAuthenticator) -> None:
    added = anna.add_passkey(key, "Мамин телефон")
    assert len(added["recovery_codes"]) == 10
    (shown,) = overview(anna)["passkeys"]
    assert shown["name"] == "Мамин телефон"
    assert shown["passkey_id"] == added["passkey_id"]
    assert kinds_of(anna.identity)[-1] is PasskeyAdded
    second = anna.add_passkey(SoftAuthenticator(ORIGIN))
    assert second["recovery_codes"] is None, "the earlier codes hold"


def test_the_same_authenticator_is_not_added_twice(anna: Member, key: SoftAuthenticator) -> None:
    anna.add_passkey(key)
    assert refusal_of(anna.add_passkey, key).code == "passkey_known"
    boris = Member(anna.identity, "boris@example.org")
    assert refusal_of(boris.add_passkey, key).code == "passkey_known"


def test_passkeys_are_limited(anna: Member) -> None:
    for _ in range(PASSKEYS_PER_PERSON):
        anna.add_passkey(SoftAuthenticator(ORIGIN))
    refused = refusal_of(anna.confirmed, "start_passkey", name="Ещё один")
    assert (refused.code, refused.params["most"]) == ("too_many_passkeys", PASSKEYS_PER_PERSON)


@pytest.mark.parametrize("url", ["https://192.0.2.7", "http://lk.example.org"])
def test_without_a_name_there_are_no_passkeys(anna: Member, url: str) -> None:
    anna.identity.service.settings = replace_url(anna.identity.service.settings, url)
    refused = refusal_of(anna.confirmed, "start_passkey", name="Телефон")
    assert (refused.kind, refused.code) == ("conflict", "passkeys_unavailable")
    assert refusal_of(anna.identity.call, "passkey_request").code == "passkeys_unavailable"


def replace_url(settings: Any, url: str) -> Any:
    return type(settings)(amqp_url=settings.amqp_url, secret=settings.secret, url=url)


@pytest.mark.parametrize("purpose", ["passkey", "totp"])
def test_a_challenge_is_of_one_session_and_ten_minutes(
    anna: Member, key: SoftAuthenticator, purpose: str
) -> None:
    boris = Member(anna.identity, "boris@example.org")
    name = {"name": "Телефон"} if purpose == "passkey" else {}
    started = anna.confirmed(f"start_{purpose}", **name)
    read = {"challenge_id": started["challenge_id"]}
    for stranger in (boris, elsewhere(anna)):
        assert refusal_of(stranger.call, f"{purpose}_challenge", **read).code == "challenge_expired"
    other = "totp" if purpose == "passkey" else "passkey"
    assert refusal_of(anna.call, f"{other}_challenge", **read).code == "challenge_expired"
    anna.identity.clock.advance(timedelta(minutes=10))
    assert refusal_of(anna.call, f"{purpose}_challenge", **read).code == "challenge_expired"


def elsewhere(member: Member) -> Member:
    other = object.__new__(Member)
    other.__dict__ |= {**member.__dict__, "session": member.identity.sign_in(OWN, member.email)}
    return other


def test_a_challenge_serves_once(anna: Member, key: SoftAuthenticator) -> None:
    started = anna.confirmed("start_passkey", name="Телефон")
    made = {"challenge_id": started["challenge_id"], "credential": key.create(started["passkey"])}
    anna.take(anna.call("add_passkey", **made))
    assert refusal_of(anna.call, "add_passkey", **made).code == "challenge_expired"


def test_a_change_ends_other_sessions_and_renews_this_one(
    anna: Member, key: SoftAuthenticator
) -> None:
    identity = anna.identity
    changes = [
        lambda: anna.add_passkey(key),
        anna.add_totp,
        lambda: anna.take(anna.confirmed("disable_totp")),
        lambda: anna.take(
            anna.confirmed("remove_passkey", passkey_id=overview(anna)["passkeys"][0]["passkey_id"])
        ),
    ]
    for change in changes:
        before, device = anna.session["token"], open_session_of(anna)
        change()
        for ended in (before, device):
            assert refusal_of(identity.call, "authenticate", token=ended).code == "session_expired"
        now = identity.call("authenticate", token=anna.session["token"])
        assert now["session_id"] == anna.session["session_id"]


def open_session_of(member: Member) -> str:
    """Open another session of a person, by whatever is asked; return its token."""
    methods = overview(member)
    if methods["recovery_codes"] is None:
        return str(member.identity.sign_in(OWN, member.email)["token"])
    return str(member.second(member.password(), code=member.codes.pop())["token"])


def test_removing_the_last_factor_takes_the_codes_along(
    anna: Member, key: SoftAuthenticator
) -> None:
    added = anna.add_passkey(key)
    anna.add_totp()
    anna.take(anna.confirmed("remove_passkey", passkey_id=added["passkey_id"]))
    assert overview(anna)["recovery_codes"]["left"] == 10, "the app is left"
    anna.take(anna.confirmed("disable_totp"))
    assert overview(anna) == {"passkeys": [], "totp": None, "recovery_codes": None}
    assert not anna.identity.tables.second_factors.recovery_codes.rows
    assert kinds_of(anna.identity)[-2:] == [PasskeyRemoved, TotpDisabled]
    assert anna.identity.sign_in(OWN)["token"]
    assert refusal_of(anna.confirmed, "disable_totp").code == "totp_not_enabled"


def test_the_passkey_of_another_person_is_not_there(anna: Member, key: SoftAuthenticator) -> None:
    added = anna.add_passkey(key)
    boris = Member(anna.identity, "boris@example.org")
    for passkey_id in (added["passkey_id"], str(uuid4())):
        refused = refusal_of(boris.confirmed, "remove_passkey", passkey_id=passkey_id)
        assert (refused.kind, refused.code) == ("not_found", "passkey_not_found")


def test_new_recovery_codes_void_the_earlier_ones(anna: Member) -> None:
    assert refusal_of(anna.confirmed, "issue_recovery_codes").code == "second_factor_missing"
    anna.add_totp()
    early = anna.codes[0]
    issued = anna.confirmed("issue_recovery_codes")["codes"]
    assert kinds_of(anna.identity)[-1] is RecoveryCodesIssued
    challenge = anna.password()
    assert refusal_of(anna.second, challenge, code=early).code == "wrong_second_factor"
    assert anna.second(challenge, code=issued[0])["token"]


CONFIRMED = {
    "start_passkey": {"name": "Телефон"},
    "remove_passkey": {"passkey_id": str(uuid4())},
    "start_totp": {},
    "disable_totp": {},
    "issue_recovery_codes": {},
}


@pytest.mark.parametrize("method", CONFIRMED)
def test_every_change_asks_for_the_password(anna: Member, method: str) -> None:
    refused = refusal_of(anna.confirmed, method, "not the password", **CONFIRMED[method])
    assert (refused.kind, refused.code) == ("validation", "wrong_current_password")


def test_passwords_are_not_guessed_in_an_open_cabinet(anna: Member) -> None:
    codes = [
        refusal_of(anna.confirmed, "start_totp", f"guess {number}").code
        for number in range(CURRENT_PASSWORDS.most)
    ]
    assert set(codes) == {"wrong_current_password"}
    assert refusal_of(anna.confirmed, "start_totp").code == "too_many_attempts"
    assert elsewhere(anna).confirmed("start_totp"), "the owner's other session has its own attempts"


def test_staff_remove_every_factor(anna: Member, key: SoftAuthenticator) -> None:
    anna.add_passkey(key)
    anna.add_totp()
    anna.password()
    person_id = anna.identity.tables.second_factors.passkeys.of_credential(
        key.credential_id
    ).person_id
    command = factors.ResetSecondFactor(person_id=person_id, reason="Пришла с паспортом")
    checked = replace(command, dry_run=True)
    anna.identity.store.query(lambda session: factors.reset_second_factor(session, checked))
    anna.identity.store.execute(factors.reset_second_factor, command)
    tables = anna.identity.tables.second_factors
    left = (tables.passkeys, tables.totp, tables.recovery_codes, tables.challenges)
    assert not any(table.rows for table in left)
    token = anna.session["token"]
    assert refusal_of(anna.identity.call, "authenticate", token=token).code == "session_expired"
    assert anna.identity.sign_in(OWN)["token"], "the password is enough again"
    assert any(isinstance(event, SecondFactorReset) for event in anna.identity.events())
    assert "паспорт" not in repr(anna.identity.events())
    entry = anna.identity.store.security_log[-2]
    assert (entry.action, entry.reason) == ("second_factor_reset", "Пришла с паспортом")
    again = replace(command, reason="Ещё раз")
    with pytest.raises(Exception, match="no second factor"):
        anna.identity.store.execute(factors.reset_second_factor, again)


def test_nothing_secret_is_in_events_and_tables(anna: Member, key: SoftAuthenticator) -> None:
    anna.add_passkey(key, "Мамин телефон")
    anna.add_totp()
    identity = anna.identity
    assert any(isinstance(event, PersonRegistered) for event in identity.events())
    tables = identity.tables.second_factors
    kept = repr([identity.events(), tables.passkeys.rows, tables.totp.rows])
    kept += repr([tables.recovery_codes.rows, tables.challenges.rows])
    secrets = [anna.secret, "Мамин", *anna.codes, *(code.replace(" ", "") for code in anna.codes)]
    assert not [secret for secret in secrets if secret in kept]

"""The second step of signing in, and signing in by a passkey alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from factor_steps import ORIGIN, OWN, Member
from identity_steps import refusal_of

from services.identity.factor_events import RecoveryCodeUsed, SecondFactorGuessed
from services.identity.limits import (
    CHALLENGE_ATTEMPTS,
    SECOND_FACTOR_CODES,
    SECOND_FACTOR_CODES_OF_PERSON,
)
from services.identity.sweeping import Sweep, sweep
from tests.soft_authenticator import SoftAuthenticator

STEP = timedelta(seconds=30)
DAY = timedelta(days=1)


@pytest.fixture
def anna(identity: Any) -> Member:
    """A person with an app; its first code is used up."""
    member = Member(identity)
    member.add_totp()
    identity.clock.advance(2 * STEP)
    return member


@pytest.fixture
def key() -> SoftAuthenticator:
    return SoftAuthenticator(ORIGIN, counts=1)


def wrong(code: str) -> str:
    return f"{(int(code) + 7) % 1_000_000:06d}"


def guess(member: Member, challenge: dict[str, Any], **more: Any) -> str:
    return refusal_of(member.second, challenge, code=wrong(member.app_code()), **more).code


def test_a_password_alone_opens_nothing(anna: Member) -> None:
    before = len(anna.identity.tables.sessions.rows)
    challenge = anna.password()
    assert challenge["methods"] == ["totp", "recovery_code"]
    assert len(anna.identity.tables.sessions.rows) == before
    refused = refusal_of(anna.identity.call, "authenticate", token=challenge["challenge_id"])
    assert refused.code == "session_expired"


def test_a_code_of_the_app_opens_a_session(anna: Member) -> None:
    opened = anna.second(anna.password(), code=anna.app_code())
    found = anna.identity.call("authenticate", token=opened["token"])
    assert found["person_id"] == anna.session["person_id"]
    shown = anna.identity.call("second_factors", person_id=anna.session["person_id"])
    assert shown["totp"]["last_used_at"] == anna.identity.clock.now().isoformat()


@pytest.mark.parametrize("drift", [-1, 0, 1])
def test_the_clock_of_a_telephone_may_be_half_a_minute_wrong(anna: Member, drift: int) -> None:
    now = anna.identity.clock.now()
    anna.identity.clock.advance(drift * STEP)
    code = anna.app_code()
    anna.identity.clock.advance(now - anna.identity.clock.now())
    assert anna.second(anna.password(), code=f"{code[:3]} {code[3:]}")["token"]


def test_a_code_serves_once_and_none_before_it_after_it(anna: Member) -> None:
    early = anna.app_code()
    anna.identity.clock.advance(STEP)
    code = anna.app_code()
    assert anna.second(anna.password(), code=code)["token"]
    challenge = anna.password()
    for replayed in (code, early):
        refused = refusal_of(anna.second, challenge, code=replayed)
        assert refused.code == "wrong_second_factor"


def test_a_challenge_serves_once(anna: Member) -> None:
    challenge = anna.password()
    assert anna.second(challenge, code=anna.app_code())["token"]
    anna.identity.clock.advance(STEP)
    assert refusal_of(anna.second, challenge, code=anna.app_code()).code == "challenge_expired"


def test_a_challenge_expires(anna: Member) -> None:
    challenge = anna.password()
    anna.identity.clock.advance(timedelta(minutes=10))
    assert refusal_of(anna.second, challenge, code=anna.app_code()).code == "challenge_expired"
    unknown = {"challenge_id": str(uuid4())}
    assert refusal_of(anna.second, unknown, code=anna.app_code()).code == "challenge_expired"
    step = {"challenge_id": challenge["challenge_id"]}
    assert refusal_of(anna.identity.call, "second_step", **step).code == "challenge_expired"


def test_a_challenge_of_the_settings_opens_nothing(anna: Member, key: SoftAuthenticator) -> None:
    started = anna.confirmed("start_passkey", name="Телефон")
    refused = refusal_of(anna.second, started, code=anna.app_code())
    assert refused.code == "challenge_expired"


def test_the_code_of_another_person_is_wrong(anna: Member) -> None:
    boris = Member(anna.identity, "boris@example.org")
    boris.add_totp()
    anna.identity.clock.advance(2 * STEP)
    challenge = anna.password()
    for code in (boris.app_code(), boris.codes[0]):
        assert refusal_of(anna.second, challenge, code=code).code == "wrong_second_factor"


def test_a_new_password_voids_a_pending_step(anna: Member) -> None:
    challenge = anna.password()
    anna.identity.call(
        "change_password",
        person_id=anna.session["person_id"],
        session_id=anna.session["session_id"],
        current_password=OWN,
        new_password="совсем другая фраза 2",
    )
    assert refusal_of(anna.second, challenge, code=anna.app_code()).code == "challenge_expired"


def test_a_recovery_code_serves_once_in_any_spelling(anna: Member) -> None:
    code = anna.codes[0]
    opened = anna.second(anna.password(), code=f" {code.replace(' ', '-')} ")
    assert opened["token"]
    challenge = anna.password()
    assert refusal_of(anna.second, challenge, code=code).code == "wrong_second_factor"
    used = [e for e in anna.identity.events() if isinstance(e, RecoveryCodeUsed)]
    assert used == [RecoveryCodeUsed(left=9)]
    for spelling in anna.codes[1:]:
        assert anna.second(anna.password(), code=spelling)["token"]
    assert anna.password()["methods"] == ["totp"]


def test_five_attempts_use_a_challenge_up(anna: Member) -> None:
    challenge = anna.password()
    for left in range(CHALLENGE_ATTEMPTS - 1, -1, -1):
        refused = refusal_of(anna.second, challenge, code=wrong(anna.app_code()))
        assert refused.params["attempts_left"] == left
    assert refusal_of(anna.second, challenge, code=anna.app_code()).code == "challenge_expired"
    assert anna.second(anna.password(), code=anna.app_code())["token"]


def use_up_guesses(anna: Member) -> None:
    """Guess as somebody who has the password, from many networks."""
    for number in range(SECOND_FACTOR_CODES.most):
        place = {"ip": f"198.51.100.{number}"}
        assert guess(anna, anna.password(**place), **place) == "wrong_second_factor"


def test_guesses_end_and_the_owner_gets_in(anna: Member, key: SoftAuthenticator) -> None:
    """Whoever has the password guesses ten times a day; the owner has four ways left."""
    anna.add_passkey(key)
    known = {"device_token": anna.second(anna.password(), code=anna.app_code())["device_token"]}
    anna.identity.clock.advance(2 * STEP)
    use_up_guesses(anna)
    place = {"ip": "198.51.100.99"}
    challenge = anna.password(**place)
    for code in (anna.app_code(), anna.codes[0]):
        refused = refusal_of(anna.second, challenge, code=code, **place)
        assert (refused.kind, refused.code) == ("forbidden", "second_factor_guessed")
        assert refused.params["retry_after_seconds"] == DAY.total_seconds()
    on_his_device = anna.password(**known, **place)
    assert anna.second(on_his_device, code=anna.app_code(), **known, **place)["token"]
    step = anna.identity.call("second_step", challenge_id=challenge["challenge_id"])
    assert anna.second(challenge, passkey=key.use(step["passkey"]), **place)["token"]
    request = anna.identity.call("passkey_request")
    assert by_passkey(anna, key.use(request["passkey"]), **place)["token"]


def test_a_new_password_ends_the_guessing(anna: Member) -> None:
    use_up_guesses(anna)
    new = "совсем другая фраза 2"
    changed = anna.identity.call(
        "change_password",
        person_id=anna.session["person_id"],
        session_id=anna.session["session_id"],
        current_password=OWN,
        new_password=new,
    )
    assert changed is not None
    anywhere = {"ip": "192.0.2.77"}
    opened = anna.second(anna.password(new, **anywhere), code=anna.app_code(), **anywhere)
    assert opened["token"]


def test_guesses_on_a_known_device_are_told_too(anna: Member) -> None:
    known = {"device_token": anna.second(anna.password(), code=anna.app_code())["device_token"]}
    challenge = anna.password(**known)
    for _ in range(CHALLENGE_ATTEMPTS):
        guess(anna, challenge, **known)
    assert isinstance(anna.identity.events()[-1], SecondFactorGuessed)


def test_guesses_on_a_known_device_are_its_own(anna: Member) -> None:
    known = {"device_token": anna.second(anna.password(), code=anna.app_code())["device_token"]}
    anna.identity.clock.advance(STEP)
    for _ in range(SECOND_FACTOR_CODES.most):
        assert guess(anna, anna.password(**known), **known) == "wrong_second_factor"
    assert guess(anna, anna.password(**known), **known) == "second_factor_guessed"
    assert anna.second(anna.password(), code=anna.app_code())["token"], "elsewhere he has others"


def test_recoveries_refill_the_guesses_only_up_to_a_total(
    anna: Member, key: SoftAuthenticator
) -> None:
    most = SECOND_FACTOR_CODES_OF_PERSON.most
    anna.add_passkey(key)
    password = OWN
    for number in range(most // SECOND_FACTOR_CODES.most):
        for _ in range(SECOND_FACTOR_CODES.most):
            assert guess(anna, anna.password(password)) == "wrong_second_factor"
        changed = {"current_password": password, "new_password": f"новая длинная фраза {number}"}
        anna.call("change_password", **changed)
        password = changed["new_password"]
    challenge = anna.password(password)
    refused = refusal_of(anna.second, challenge, code=anna.app_code())
    assert refused.params["policy"] == SECOND_FACTOR_CODES_OF_PERSON.scope
    step = anna.identity.call("second_step", challenge_id=challenge["challenge_id"])
    assert anna.second(challenge, passkey=key.use(step["passkey"]))["token"]


def test_guesses_elsewhere_take_nothing_from_a_known_device(anna: Member) -> None:
    known = {"device_token": anna.second(anna.password(), code=anna.app_code())["device_token"]}
    for _ in range(SECOND_FACTOR_CODES_OF_PERSON.most // SECOND_FACTOR_CODES.most):
        use_up_guesses(anna)
        anna.identity.clock.advance(DAY)
    refused = refusal_of(anna.second, anna.password(), code=anna.app_code())
    assert refused.params["policy"] == SECOND_FACTOR_CODES_OF_PERSON.scope
    assert guess(anna, anna.password(**known), **known) == "wrong_second_factor"
    assert anna.second(anna.password(**known), code=anna.app_code(), **known)["token"]


def test_the_owner_is_told_once_a_day(anna: Member) -> None:
    def told() -> int:
        return sum(isinstance(event, SecondFactorGuessed) for event in anna.identity.events())

    for expected in (1, 1):
        place = {"ip": "198.51.100.9"}
        challenge = anna.password(**place)
        for _ in range(CHALLENGE_ATTEMPTS):
            guess(anna, challenge, **place)
        assert told() == expected
    anna.identity.clock.advance(DAY)
    challenge = anna.password()
    for _ in range(CHALLENGE_ATTEMPTS):
        guess(anna, challenge)
    assert told() == 2


def by_passkey(member: Member, signed: dict[str, Any], **more: Any) -> Any:
    arguments = {"device": "Firefox", "ip": "203.0.113.7", **more}
    return member.identity.call("sign_in_by_passkey", passkey=signed, **arguments)


def test_a_passkey_takes_the_second_step(anna: Member, key: SoftAuthenticator) -> None:
    anna.add_passkey(key)
    challenge = anna.password()
    assert challenge["methods"] == ["passkey", "totp", "recovery_code"]
    step = anna.identity.call("second_step", challenge_id=challenge["challenge_id"])
    assert anna.second(challenge, passkey=key.use(step["passkey"]))["token"]
    shown = anna.identity.call("second_factors", person_id=anna.session["person_id"])
    assert shown["passkeys"][0]["last_used_at"] is not None


def test_the_passkey_of_another_person_takes_no_step(anna: Member, key: SoftAuthenticator) -> None:
    boris = Member(anna.identity, "boris@example.org")
    boris.add_passkey(key)
    anna.add_passkey(SoftAuthenticator(ORIGIN))
    challenge = anna.password()
    step = anna.identity.call("second_step", challenge_id=challenge["challenge_id"])
    signed = key.use(step["passkey"])
    assert refusal_of(anna.second, challenge, passkey=signed).code == "passkey_refused"


def test_what_was_signed_for_one_step_takes_no_other(anna: Member, key: SoftAuthenticator) -> None:
    anna.add_passkey(key)
    first, second = anna.password(), anna.password()
    step = anna.identity.call("second_step", challenge_id=first["challenge_id"])
    signed = key.use(step["passkey"])
    assert refusal_of(anna.second, second, passkey=signed).code == "passkey_refused"
    assert refusal_of(by_passkey, anna, signed).code == "challenge_expired"
    assert anna.second(first, passkey=signed)["token"]


def test_a_passkey_signs_in_by_itself(anna: Member, key: SoftAuthenticator) -> None:
    anna.add_passkey(key)
    request = anna.identity.call("passkey_request")
    opened = by_passkey(anna, key.use(request["passkey"]))
    assert opened["person_id"] == anna.session["person_id"]
    assert opened["must_change_password"] is False
    assert opened["device_token"]


def test_what_was_signed_serves_once_and_for_ten_minutes(
    anna: Member, key: SoftAuthenticator
) -> None:
    anna.add_passkey(key)
    request = anna.identity.call("passkey_request")
    key.counts = 0
    signed = key.use(request["passkey"])
    late = key.use(anna.identity.call("passkey_request")["passkey"])
    assert by_passkey(anna, signed)["token"]
    assert refusal_of(by_passkey, anna, signed).code == "challenge_expired"
    anna.identity.clock.advance(timedelta(minutes=10))
    assert refusal_of(by_passkey, anna, late).code == "challenge_expired"


def test_a_copy_of_an_authenticator_is_noticed(anna: Member, key: SoftAuthenticator) -> None:
    anna.add_passkey(key)
    ahead = [key.use(anna.identity.call("passkey_request")["passkey"]) for _ in range(2)]
    assert by_passkey(anna, ahead[1])["token"]
    assert refusal_of(by_passkey, anna, ahead[0]).code == "passkey_refused"


def test_strangers_sign_in_with_nothing(anna: Member, key: SoftAuthenticator) -> None:
    """An unknown key; one that does not verify its user; a nonce that is not ours."""
    stranger = SoftAuthenticator(ORIGIN)
    stranger.create(anna.confirmed("start_passkey", name="Чужой")["passkey"])
    request = anna.identity.call("passkey_request")["passkey"]
    assert refusal_of(by_passkey, anna, stranger.use(request)).code == "passkey_refused"
    anna.add_passkey(key)
    key.verifies = False
    assert refusal_of(by_passkey, anna, key.use(request)).code == "passkey_refused"
    key.verifies = True
    forged = {**request, "challenge": "AAAA" + request["challenge"][4:]}
    assert refusal_of(by_passkey, anna, key.use(forged)).code == "challenge_expired"


def test_expired_challenges_are_swept(anna: Member, key: SoftAuthenticator) -> None:
    anna.add_passkey(key)
    by_passkey(anna, key.use(anna.identity.call("passkey_request")["passkey"]))
    anna.password()
    tables = anna.identity.tables.second_factors.challenges
    anna.identity.store.transact(sweep, Sweep())
    assert tables.rows
    assert tables.spent
    anna.identity.clock.advance(timedelta(minutes=10))
    anna.identity.store.transact(sweep, Sweep())
    assert not tables.rows
    assert not tables.spent

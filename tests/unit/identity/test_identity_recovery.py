"""Recovery of a password, which must not reveal known addresses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from identity_steps import another, refusal_of

from services.identity.domain import PasswordChanged, PasswordOrigin, PasswordResetRequested
from services.identity.sweeping import Sweep, sweep
from shared.errors import Conflict, NotFound

OWN, NEW = "длинная фраза 1", "совсем другая фраза"
IP = "203.0.113.7"


def request(identity: Any, email: str = "anna@example.org") -> str:
    return str(identity.call("request_password_reset", email=email, ip=IP)["reset_id"])


def code_of(identity: Any, reset_id: str) -> str:
    issued = identity.call("issue_reset_code", reset_id=reset_id)
    assert issued["email"] == "anna@example.org"
    assert issued["valid_minutes"] == 15
    return str(issued["code"])


def confirm(identity: Any, reset_id: str, code: str, new: str = NEW) -> Any:
    return identity.call("confirm_password_reset", reset_id=reset_id, code=code, new_password=new)


def test_a_code_gives_a_new_password_and_ends_every_session(identity: Any) -> None:
    session = identity.member(OWN)
    for _ in range(10):
        refusal_of(identity.sign_in, "guess")
    reset_id = request(identity, "ANNA@example.org")
    assert confirm(identity, reset_id, code_of(identity, reset_id)) == {}
    assert refusal_of(identity.call, "authenticate", token=session["token"]).code == (
        "session_expired"
    )
    assert identity.sign_in(NEW)["must_change_password"] is False
    changes = [event for event in identity.events() if isinstance(event, PasswordChanged)]
    assert [event.origin for event in changes] == [PasswordOrigin.CHANGED, PasswordOrigin.RESET]
    refused = refusal_of(confirm, identity, reset_id, "123456")
    assert (type(refused), refused.code) == (Conflict, "password_reset_completed")


def test_recovery_replaces_an_expired_temporary_password(identity: Any) -> None:
    person_id = identity.person()
    identity.call("issue_temporary_password", person_id=person_id)
    identity.clock.advance(timedelta(days=2))
    reset_id = request(identity)
    confirm(identity, reset_id, code_of(identity, reset_id))
    assert identity.sign_in(NEW)["must_change_password"] is False


def test_recovery_of_an_unknown_address_looks_the_same(identity: Any) -> None:
    identity.member(OWN)
    known, unknown = request(identity), request(identity, "nobody@example.org")
    kinds = [type(event) for event in identity.events()[-2:]]
    assert kinds == [PasswordResetRequested, PasswordResetRequested]
    wrong = another(code_of(identity, known))
    for _ in range(6):
        one = refusal_of(confirm, identity, known, wrong)
        other = refusal_of(confirm, identity, unknown, wrong)
        assert one.as_wire() == other.as_wire()
    refused = refusal_of(identity.call, "issue_reset_code", reset_id=unknown)
    assert (type(refused), refused.code) == (NotFound, "person_not_found")


def test_the_address_as_password_is_refused_only_once_the_code_is_right(identity: Any) -> None:
    identity.member(OWN)
    reset_id = request(identity)
    code = code_of(identity, reset_id)
    refused = refusal_of(confirm, identity, reset_id, another(code), "anna@example.org")
    assert refused.code == "wrong_code"
    refused = refusal_of(confirm, identity, reset_id, code, "anna@example.org")
    assert refused.code == "password_is_email"
    assert refusal_of(confirm, identity, reset_id, code, "short").code == "password_too_short"
    assert confirm(identity, reset_id, code) == {}


def test_recovery_requests_are_limited_for_any_address(identity: Any) -> None:
    identity.member(OWN)
    for email in ("anna@example.org", "nobody@example.org"):
        for _ in range(5):
            request(identity, email)
        refused = refusal_of(request, identity, email)
        assert refused.code == "too_many_attempts"
        assert refused.params == {
            "policy": "reset_letters",
            "limit": 5,
            "window_seconds": 900,
            "retry_after_seconds": 900,
        }


def test_unknown_recovery_is_not_found(identity: Any) -> None:
    assert refusal_of(confirm, identity, str(uuid4()), "123456").code == "password_reset_not_found"


def test_an_old_recovery_is_swept(identity: Any) -> None:
    identity.member(OWN)
    reset_id = request(identity)
    code = code_of(identity, reset_id)
    identity.clock.advance(timedelta(days=1, seconds=1))
    assert identity.store.transact(sweep, Sweep()) > 0
    assert refusal_of(confirm, identity, reset_id, code).code == "code_expired"
    refused = refusal_of(identity.call, "issue_reset_code", reset_id=reset_id)
    assert refused.code == "password_reset_expired"

"""Passwords from breaches are refused, by an operator's own ranges of hashes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factor_steps import OWN, Member
from identity_steps import refusal_of

from services.identity.breached_passwords import check_not_breached
from shared.access_settings import AccessSettings
from shared.config import ConfigurationError, load_settings
from shared.errors import Unavailable, ValidationFailed

BREACHED = "трижды украденный чайник"
UNHURT = "никем не виданный самовар"


def listed(folder: Path, password: str, count: int = 7, ending: str = ".txt") -> None:
    """Put a password into its range, between others."""
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    others = [f"{'0' * 34}{place:X}:{place}" for place in range(3)]
    lines = [*others, f"{digest[5:]}:{count}", f"{'F' * 35}:1"]
    (folder / f"{digest[:5]}{ending}").write_text("\r\n".join(lines))


@pytest.fixture
def ranges(tmp_path: Path) -> Path:
    listed(tmp_path, BREACHED)
    for password in (UNHURT, OWN):
        listed(tmp_path, password, count=0)
    return tmp_path


@pytest.fixture
def strict(identity: Any, ranges: Path) -> Any:
    """Identity with the operator's ranges."""
    access = AccessSettings(breached_passwords=str(ranges))
    identity.service.settings = replace(identity.service.settings, access=access)
    return identity


def test_a_breached_password_is_refused_like_a_common_one(identity: Any, ranges: Path) -> None:
    member = Member(identity)
    member.confirmed("change_password", new_password=BREACHED)
    access = AccessSettings(breached_passwords=str(ranges))
    identity.service.settings = replace(identity.service.settings, access=access)
    refused = refusal_of(member.confirmed, "change_password", BREACHED, new_password=BREACHED + "!")
    assert refused.kind == "unavailable", "a range that is missing lets nothing pass"
    listed(ranges, BREACHED + "!")
    refused = refusal_of(member.confirmed, "change_password", BREACHED, new_password=BREACHED + "!")
    assert (refused.kind, refused.code) == ("validation", "password_too_common")
    member.confirmed("change_password", BREACHED, new_password=UNHURT)


def test_a_recovery_refuses_it_too(strict: Any) -> None:
    Member(strict)
    strict.call("request_password_reset", email="anna@example.org", ip="203.0.113.7")
    started = strict.events()[-1]
    reset_id = str(strict.store.log[-1].originator_id)
    assert type(started).__name__ == "PasswordResetRequested"
    token = strict.call("issue_reset_link", reset_id=reset_id)["token"]
    confirm = {"token": token, "ip": "203.0.113.7"}
    refused = refusal_of(strict.call, "confirm_password_reset", new_password=BREACHED, **confirm)
    assert refused.code == "password_too_common"
    strict.call("confirm_password_reset", new_password=UNHURT, **confirm)
    assert strict.sign_in(UNHURT)["token"]


def test_files_are_found_with_and_without_an_ending(tmp_path: Path) -> None:
    listed(tmp_path, BREACHED, ending="")
    with pytest.raises(ValidationFailed, match="breach"):
        check_not_breached(str(tmp_path), BREACHED)


def test_an_operator_without_ranges_asks_for_none() -> None:
    check_not_breached("", OWN)


def test_a_folder_that_is_not_there_lets_nothing_pass(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        check_not_breached(str(tmp_path / "away"), OWN)
    assert caught.value.code == "service_unavailable"
    assert OWN not in str(caught.value)


def test_settings_of_access_are_read_from_the_environment() -> None:
    assert load_settings({}).access == AccessSettings()
    env = {"SALDO_BREACHED_PASSWORDS": "/srv/pwned", "SALDO_SECOND_FACTOR": "organisation"}
    access = load_settings(env).access
    assert access == AccessSettings("/srv/pwned", frozenset({"organisation"}))
    everybody = load_settings({"SALDO_SECOND_FACTOR": "everybody"}).access
    assert everybody.second_factor == {"individual", "organisation"}
    with pytest.raises(ConfigurationError, match="SALDO_SECOND_FACTOR is everybody"):
        load_settings({"SALDO_SECOND_FACTOR": "staff"})

"""Passwords that are refused: common ones in any disguise, and what is known of the person."""

from __future__ import annotations

from typing import Any

import pytest
from identity_steps import refusal_of

from services.identity.common_passwords import is_common
from services.identity.fingerprints import new_temporary_password
from services.identity.password_policy import check_password
from shared.errors import ValidationFailed

COMMON = [
    "password2024",
    "Пароль2026",
    "Пароль20261129",
    "пароль_2026!",
    "qwerty12345",
    "йцукенгшщз",
    "фывапролджэ",
    "12345678",
    "87654321",
    "abcdefgh",
    "абвгдежз",
    "1q2w3e4r5t",
    "1qaz2wsx3edc",
    "qweasdzxc",
    "gfhjkm123",
    "ghbdtn2024",
    "p4ssw0rd",
    "P@ssw0rd!",
    "marina1985",
    "Марина1985",
    "yfnfif12",
    "парольпароль",
    "passwordpassword",
    "люблютебя",
    "любовь2026!",
    "lyubov2024",
    "19850312",
    "12031985",
    "Спартак2025",
    "k.,jdm2024",
    "ivanov2024",
    "summer2026",
    "Лето-2026",
    "qwe123qwe",
    "11112222",
    "saldo2026",
    "Квартплата1",
    "Qwerty12345",
    "11111111112",
    "iloveyou12",
    "йцукен123456",
    "ПАРОЛЬ12",
    "ｐａｓｓｗｏｒｄ１",
]

USABLE = [
    "длинная фраза 1",
    "четыре синих чайника",
    "кот на крыше",
    "тихий омут 7",
    "h7Gk29sLm",
    "zxkfwqpl",
    "39482716",
    "marina739184",
    "password-of-the-old-mill",
]


@pytest.mark.parametrize("password", COMMON)
def test_a_common_word_is_refused_in_any_disguise(password: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        check_password(password)
    assert caught.value.code == "password_too_common"


@pytest.mark.parametrize("password", USABLE)
def test_a_phrase_or_random_characters_are_accepted_without_classes(password: str) -> None:
    check_password(password, email="anna.petrova@example.org", names=["Петрова Анна Ивановна"])


def test_temporary_passwords_pass_where_they_are_generated() -> None:
    assert not any(is_common(new_temporary_password()) for _ in range(300))


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("zoya.krylova@example.org1", "password_has_email"),
        ("Krylova-77-33", "password_has_email"),
        ("rhskjdf7733", "password_has_email"),
        ("zoyakrylova7", "password_has_email"),
        ("тайна Горшковой", "password_has_name"),
        ("gorshkova##17", "password_has_name"),
        ("мой инн 7707083893", "password_has_name"),
    ],
)
def test_what_is_known_of_the_person_is_refused(password: str, code: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        check_password(
            password, email="zoya.krylova@example.org", names=["Горшков Ян", None, "7707083893"]
        )
    assert caught.value.code == code


def test_short_parts_of_a_name_are_no_hint() -> None:
    check_password("яндекс и янтарь", email="ya@example.org", names=["Ян Ли"])


def test_the_name_of_the_settings_and_of_the_organisation_count(identity: Any) -> None:
    session = identity.member("длинная фраза 1")
    person = {"person_id": session["person_id"]}
    identity.call("update_profile", **person, full_name="Горшкова Зоя", phone=None)
    refused = refusal_of(change, identity, session, "длинная фраза 1", "тайна Горшкова 5")
    assert refused.code == "password_has_name"


def test_a_sent_password_never_becomes_ones_own(identity: Any) -> None:
    person_id = identity.person()
    sent = identity.call("issue_temporary_password", person_id=person_id)["password"]
    session = identity.sign_in(sent)
    other_spelling = sent.upper().replace("-", " ")
    assert refusal_of(change, identity, session, sent, sent).code == "password_unchanged"
    refused = refusal_of(change, identity, session, sent, other_spelling)
    assert refused.code == "password_was_temporary"
    change(identity, session, sent, "длинная фраза 1")
    session = identity.sign_in("длинная фраза 1")
    refused = refusal_of(change, identity, session, "длинная фраза 1", sent)
    assert refused.code == "password_was_temporary"


def change(identity: Any, session: Any, current: str, new: str) -> Any:
    return identity.call(
        "change_password",
        person_id=session["person_id"],
        session_id=session["session_id"],
        current_password=current,
        new_password=new,
    )

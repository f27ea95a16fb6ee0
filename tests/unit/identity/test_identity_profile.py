"""The profile (S24), the documents, and published events."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from identity_steps import email_links

from services.identity.documents import KINDS
from services.identity.domain import EVENTS, ProfileChanged
from services.identity.publishing import publish
from shared.errors import NotFound, ServiceError
from tests.published import check_publication


def update(identity: Any, person_id: str, **values: Any) -> Any:
    return identity.call("update_profile", person_id=person_id, **values)


def test_name_and_phone_can_be_saved_cleared_and_left(identity: Any) -> None:
    person_id = identity.person()
    saved = update(identity, person_id, full_name=" Иванова  Анна ", phone="8 (916) 123-45-67")
    assert (saved["full_name"], saved["phone"]) == ("Иванова Анна", "+79161234567")
    assert update(identity, person_id, phone=" ")["full_name"] == "Иванова Анна"
    assert identity.call("profile", person_id=person_id)["phone"] is None
    contact = identity.call("contact", person_id=person_id)
    assert contact == {"email": "anna@example.org", "full_name": "Иванова Анна"}


def test_unchanged_profile_makes_no_event(identity: Any) -> None:
    person_id = identity.person()
    for _ in range(2):
        update(identity, person_id, full_name="Иванова Анна")
    update(identity, person_id, phone="")
    update(identity, person_id)
    assert sum(isinstance(event, ProfileChanged) for event in identity.events()) == 1


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"phone": "12"}, "phone_invalid"),
        ({"full_name": "И" * 151}, "full_name_invalid"),
        ({"full_name": "Анна\u202e"}, "full_name_invalid"),
    ],
)
def test_a_wrong_value_is_refused(identity: Any, values: dict[str, str], code: str) -> None:
    person_id = identity.person()
    with pytest.raises(ServiceError) as caught:
        update(identity, person_id, **values)
    assert caught.value.code == code


def test_unknown_person_has_no_profile(identity: Any) -> None:
    for method in ("profile", "contact"):
        with pytest.raises(NotFound):
            identity.call(method, person_id=str(uuid4()))


@pytest.mark.parametrize("kind", KINDS)
def test_every_document_has_its_versions(identity: Any, kind: str) -> None:
    current = identity.call("document", kind=kind)
    assert current["media_type"] == "text/markdown"
    assert current["title"]
    assert current["text"].startswith(f"# {current['title']}\n")
    assert identity.call("document", kind=kind, version=current["version"]) == current
    with pytest.raises(NotFound) as caught:
        identity.call("document", kind=kind, version="1999-01-01")
    assert caught.value.code == "document_not_found"


def test_instruction_has_every_required_phrase(identity: Any) -> None:
    text = identity.call("document", kind="instruction")["text"]
    for phrase in (
        "Выслать код заново",
        "«Спам»",
        "ВРЕМЕННЫЙ пароль",
        "Никому не сообщайте Ваш личный пароль",
        "Проверить",
        "Добавить лицевой",
        "Отвязать",
        "Платежи-Оплатить",
        "Платежи-История платежей",
        "Вопрос-Ответ",
    ):
        assert phrase in text


def run_every_use_case(identity: Any) -> list[str]:
    """Run every use case once; return the values that must stay secret."""
    session = identity.member("длинная фраза 1")
    person_id = session["person_id"]
    update(identity, person_id, full_name="Иванова Анна", phone="+79161234567")
    identity.call("choose_language", person_id=person_id, language="en")
    shop = {"name": "ИП Смирнов", "inn": "500100732259", "kpp": None}
    identity.person("boris@example.org", person_type="organisation", organisation=shop)
    ip = "203.0.113.7"
    identity.call("request_password_reset", email="anna@example.org", ip=ip)
    reset_id = str(identity.store.log[-1].originator_id)
    identity.call("request_password_reset", email="nobody@example.org", ip=ip)
    token = identity.call("issue_reset_link", reset_id=reset_id)["token"]
    identity.call("confirm_password_reset", token=token, new_password="другая фраза", ip=ip)
    move(identity, ip)
    return [
        "moved@example.org", "anna@example.org", "boris@example.org", "nobody@example.org",
        "example.org", "длинная",
        "другая фраза", "Иванова", "79161234567", "Смирнов", "500100732259", ip, session["token"],
        token, "argon2",
    ]  # fmt: skip


def move(identity: Any, ip: str) -> None:
    """Change an address by both mailboxes, after a change that nobody confirmed."""
    session = identity.sign_in("другая фраза")
    asked = {"person_id": session["person_id"], "session_id": session["session_id"], "ip": ip}
    asked |= {"email": "moved@example.org", "current_password": "другая фраза"}
    for _ in range(2):
        identity.call("request_email_change", **asked)
    change_id = str(identity.store.log[-1].originator_id)
    sent = email_links(identity, change_id)
    for side in ("new", "old"):
        identity.call("confirm_email_change", token=sent[f"{side}_token"], ip=ip)


def test_no_event_contains_a_secret_or_personal_data(identity: Any) -> None:
    secrets = run_every_use_case(identity)
    log = "\n".join(
        json.dumps(msgspec.to_builtins(event), ensure_ascii=False) for event in identity.events()
    )
    assert [secret for secret in secrets if secret in log] == []


def test_published_events_keep_their_contracts(identity: Any) -> None:
    run_every_use_case(identity)
    published = [publication for entry in identity.store.log if (publication := publish(entry))]
    for publication in published:
        check_publication("identity", publication)
    assert {publication.type for publication in published} == {
        "registration_code_requested",
        "person_registered",
        "password_changed",
        "password_reset_requested",
        "email_change_requested",
        "email_changed",
        "new_device_signed_in",
        "profile_changed",
    }
    # The recovery of an unknown address is not published.
    assert sum(entry.type == "password_reset_requested" for entry in published) == 1


def test_every_event_survives_the_log(identity: Any) -> None:
    run_every_use_case(identity)
    for event in identity.events():
        assert EVENTS.decode(event.topic, EVENTS.encode(event)) == event

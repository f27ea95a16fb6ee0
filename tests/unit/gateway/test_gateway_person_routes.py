"""Routes of the signed-in person and of the documents."""

from __future__ import annotations

from gateway_doubles import PERSON, Browser, FakeServices
from gateway_samples import PROFILE, SIGNED_IN

from shared.errors import Forbidden


def test_changed_profile_is_returned(browser: Browser, services: FakeServices) -> None:
    services.answers["identity", "update_profile"] = {}
    services.answers["identity", "profile"] = {**PROFILE, "phone": "+79161234567"}

    response = browser("PATCH", "/api/v1/me", json={"phone": "+79161234567"})

    assert response.json["phone"] == "+79161234567"
    changed = {"person_id": PERSON, "full_name": None, "phone": "+79161234567"}
    assert ("identity", "update_profile", changed) in services.calls


def test_device_defaults_to_the_user_agent(browser: Browser, services: FakeServices) -> None:
    services.answers["identity", "sign_in"] = SIGNED_IN
    browser(
        "POST",
        "/api/v1/sessions",
        json={"email": "a@b.ru", "password": "p"},
        headers={"User-Agent": "Firefox " + "x" * 500},
    )
    assert services.calls[-1][2]["device"] == ("Firefox " + "x" * 500)[:200]


def test_a_document_is_a_file_unless_json_is_asked_for(
    browser: Browser, services: FakeServices
) -> None:
    document = {
        "kind": "rules",
        "version": "2025-09-01",
        "title": "Правила",
        "media_type": "text/markdown",
        "text": "# Правила\n",
        "in_force": "2026-11-01",
        "versions": ["2026-11-01", "2025-09-01"],
    }
    services.answers["identity", "document"] = document

    file = browser("GET", "/api/v1/documents/rules?version=2025-09-01", token=None)
    assert file.text == "# Правила\n"
    assert file.content_type == "text/markdown; charset=utf-8"
    assert 'attachment; filename="rules-2025-09-01.md"' in file.headers["Content-Disposition"]

    as_json = browser(
        "GET", "/api/v1/documents/rules", token=None, headers={"Accept": "application/json"}
    )
    assert as_json.json == document
    assert browser("GET", "/api/v1/documents/secrets", token=None).status_code == 404


def test_question_about_somebody_elses_account_is_refused_with_404(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["helpdesk", "ask"] = Forbidden("account_not_linked", "x")
    body = {"topic": "charges", "account": " 0009 ", "text": "Почему?"}
    assert browser("POST", "/api/v1/questions", json=body).status_code == 404
    [asked] = [given for *of, given in services.calls if of == ["helpdesk", "ask"]]
    assert asked["account"] == "0009"

"""Versions of the documents: which one a form shows, which one is stored, and new ones."""

from __future__ import annotations

import re
from typing import Any

import pytest
from cabinet_doubles import CabinetBrowser, Shown
from gateway_doubles import PERSON, SESSION, THING, FakeServices

from gateway.cabinet import document_versions
from gateway.problems import Refusal
from shared.errors import Conflict, Forbidden, NotFound, ValidationFailed

OLD, NEW = "2026-11-01", "2026-12-01"
WINDOW = f"/register/{THING}"
TICKS = {"accept_rules": "yes", "consent_personal_data": "yes"}


class Shelf:
    """The documents as identity answers them, and what the person has yet to accept."""

    def __init__(self, services: FakeServices) -> None:
        self._services = services
        self.versions = {kind: [OLD] for kind in ("rules", "consent", "instruction")}
        self.in_force = dict.fromkeys(self.versions, OLD)
        self.accepted = {"rules": OLD, "consent": OLD}
        services.answers["identity", "document"] = self.document
        services.answers["identity", "authenticate"] = self.authenticate
        services.answers["identity", "confirm_registration"] = self.confirm
        services.answers["identity", "accept_documents"] = self.accept
        services.answers["identity", "sign_in"] = lambda **_: {
            **self.authenticate(),
            "token": "a-new-token",
            "device_token": "a-device",
            "expires_at": "2027-01-01T00:00:00+00:00",
        }

    def publish(self, kind: str, version: str = NEW) -> None:
        self.versions[kind].insert(0, version)
        self.in_force[kind] = version

    def document(self, kind: str, version: str | None) -> dict[str, Any]:
        version = version or self.in_force[kind]
        if len(version) > 40:
            raise ValidationFailed("invalid_request", "too long")
        if version not in self.versions[kind]:
            raise NotFound("document_not_found", "no")
        return {
            "kind": kind,
            "version": version,
            "title": f"Документ {kind}",
            "media_type": "text/markdown",
            "text": f"# Документ\n\n## Что изменилось\n\nПункт {kind}.\n\n## 1. Текст\n\nТело.\n",
            "in_force": self.in_force[kind],
            "versions": self.versions[kind],
        }

    def authenticate(self, **_: Any) -> dict[str, Any]:
        due = [
            {"kind": kind, "accepted": version, "version": self.in_force[kind]}
            for kind, version in self.accepted.items()
            if version < self.in_force[kind]
        ]
        return {
            "session_id": SESSION,
            "person_id": PERSON,
            "must_change_password": False,
            "must_accept": due,
        }

    def _check(self, seen: dict[str, str | None]) -> None:
        changed = [
            {"kind": kind, "seen": version, "version": self.in_force[kind]}
            for kind, version in seen.items()
            if version not in (None, self.in_force[kind])
        ]
        if changed:
            raise Conflict("documents_changed", "x", documents=changed)

    def confirm(self, rules_version: str, consent_version: str, **_: Any) -> dict[str, str]:
        self._check({"rules": rules_version, "consent": consent_version})
        return {"status": "confirmed"}

    def accept(
        self, rules_version: str | None, consent_version: str | None, **_: Any
    ) -> dict[str, str]:
        seen = {"rules": rules_version, "consent": consent_version}
        self._check(seen)
        self.accepted.update({kind: version for kind, version in seen.items() if version})
        return {}


@pytest.fixture
def shelf(services: FakeServices) -> Shelf:
    services.answers["identity", "profile"] = {
        "person_id": PERSON, "person_type": "individual", "email": "ivanov@example.org",
        "organisation": None, "full_name": None, "phone": None,
    }  # fmt: skip
    services.answers["accounts", "linked"] = {"accounts": []}
    return Shelf(services)


def calls_of(services: FakeServices, method: str) -> list[dict[str, Any]]:
    return [arguments for _, called, arguments in services.calls if called == method]


# Registration


def test_the_check_window_names_the_versions_it_shows(
    cabinet: CabinetBrowser, services: FakeServices, shelf: Shelf
) -> None:
    shelf.publish("rules")
    shown = cabinet.get(WINDOW)
    assert (shown.fields["rules_version"], shown.fields["consent_version"]) == (NEW, OLD)
    assert f"/documents/rules?version={NEW}" in shown.links
    assert f"/documents/consent.pdf?version={OLD}" in shown.links
    assert "1 декабря 2026" in shown.text
    assert "КБ" in shown.text, "the size of the file"
    assert cabinet.post(WINDOW, {**shown.fields, **TICKS, "code": "123456"}).status == 303
    [sent] = calls_of(services, "confirm_registration")
    assert (sent["rules_version"], sent["consent_version"]) == (NEW, OLD)


def test_the_check_window_does_not_wait_for_documents(
    cabinet: CabinetBrowser, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any) -> bytes:
        raise Refusal(503, "documents_busy")

    monkeypatch.setattr(document_versions, "pdf_of", busy)
    for path in (WINDOW, "/documents/rules"):
        shown = cabinet.get(path)
        assert shown.status == 200
        assert f"/documents/rules.pdf?version={OLD}" in shown.links
        assert "КБ" not in shown.text


@pytest.mark.parametrize("code", ["123456", ""])
def test_a_version_that_came_meanwhile_brings_the_form_back(
    cabinet: CabinetBrowser, shelf: Shelf, code: str
) -> None:
    open_page = cabinet.get(WINDOW).fields
    shelf.publish("rules")
    back = cabinet.post(WINDOW, {**open_page, **TICKS, "code": code})
    assert back.status == (409 if code else 422)
    assert "Пока Вы читали, вышла новая редакция." in back.text
    assert back.fields["rules_version"] == NEW
    assert back.fields["code"] == code, "what is typed stays"
    assert "accept_rules" not in back.fields, "nobody has seen the new version yet"
    assert back.fields["consent_personal_data"] == "yes"
    sent = cabinet.post(WINDOW, {**back.fields, "accept_rules": "yes", "code": "123456"})
    assert sent.status == 303


def test_a_wrong_code_keeps_both_ticks(cabinet: CabinetBrowser, services: FakeServices) -> None:
    Shelf(services)
    services.answers["identity", "confirm_registration"] = ValidationFailed(
        "wrong_code", "x", attempts_left=4
    )
    back = cabinet.submit(WINDOW, WINDOW, **TICKS, code="111111")
    assert back.status == 422
    assert {name: back.fields.get(name) for name in TICKS} == TICKS
    assert back.fields["code"] == ""


# New versions


def test_nothing_answers_before_the_new_rules_are_accepted(
    cabinet: CabinetBrowser, services: FakeServices, shelf: Shelf
) -> None:
    cabinet.sign_in()
    assert cabinet.get("/settings").status == 200
    shelf.publish("rules")
    for path in ("/accounts", "/settings", "/pay", "/questions/new?account=1"):
        led = cabinet.get(path)
        assert led.status == 303
        assert led.location.startswith("/acceptance?next=%2F")
    shown = cabinet.get("/acceptance?next=/settings")
    assert (shown.status, shown.title) == (200, "Новая редакция правил — Saldo")
    for text in ("1 декабря 2026", "Раньше Вы приняли", "1 ноября 2026", "Пункт rules.", "КБ"):
        assert text in shown.text
    assert f"/documents/rules?version={NEW}" in shown.links
    assert f"/documents/rules.pdf?version={NEW}" in shown.links
    assert f"/documents/rules?version={OLD}" in shown.links
    assert "consent_version" not in shown.fields
    unticked = cabinet.post("/acceptance", shown.fields)
    assert unticked.status == 422
    assert "Не поставлена галочка" in unticked.text
    accepted = cabinet.post("/acceptance", {**unticked.fields, "accept_rules": "yes"})
    assert (accepted.status, accepted.location) == (303, "/settings")
    [sent] = calls_of(services, "accept_documents")
    assert sent == {
        "person_id": PERSON, "rules_version": NEW, "consent_version": None, "ip": "127.0.0.1",
    }  # fmt: skip
    assert "новая редакция принята" in cabinet.get("/settings").text
    assert cabinet.get("/acceptance").location == "/accounts"


def test_both_documents_are_accepted_on_one_page(cabinet: CabinetBrowser, shelf: Shelf) -> None:
    cabinet.sign_in()
    shelf.publish("rules")
    shelf.publish("consent")
    shown = cabinet.get("/acceptance")
    assert shown.title == "Новая редакция правил и согласия — Saldo"
    assert cabinet.post("/acceptance", {**shown.fields, "accept_rules": "yes"}).status == 422
    assert cabinet.post("/acceptance", {**shown.fields, **TICKS}).status == 303
    assert shelf.accepted == {"rules": NEW, "consent": NEW}


def test_the_documents_the_way_out_and_the_password_still_answer(
    cabinet: CabinetBrowser, services: FakeServices, shelf: Shelf
) -> None:
    services.answers["identity", "end_session"] = {}
    cabinet.sign_in()
    shelf.publish("consent")
    for path in ("/documents/consent", "/documents/rules?version=2026-11-01", "/password"):
        assert cabinet.get(path).status == 200, path
    assert cabinet.client.get("/documents/consent.pdf").data.startswith(b"%PDF")
    left = cabinet.submit("/acceptance", "/logout")
    assert (left.status, left.location) == (303, "/")
    assert calls_of(services, "end_session")


def test_a_temporary_password_comes_first(
    cabinet: CabinetBrowser, services: FakeServices, shelf: Shelf
) -> None:
    shelf.publish("rules")
    services.answers["identity", "authenticate"] = {
        **shelf.authenticate(), "must_change_password": True,
    }  # fmt: skip
    cabinet.sign_in()
    assert cabinet.get("/accounts").location == "/password"
    assert cabinet.get("/acceptance").location == "/password"


def test_a_form_waits_until_the_new_rules_are_accepted(
    cabinet: CabinetBrowser, services: FakeServices, shelf: Shelf
) -> None:
    cabinet.sign_in()
    typed = {**cabinet.get("/settings").fields, "full_name": "Образцова Анна"}
    shelf.publish("rules")
    waiting = cabinet.post("/settings", typed)
    assert waiting.status == 403
    assert "Всё, что Вы ввели, на месте." in waiting.text
    assert "Образцова" not in waiting.markup
    unticked = cabinet.post("/acceptance", waiting.fields)
    again = cabinet.post("/acceptance", {**unticked.fields, "accept_rules": "yes"})
    assert again.status == 200
    assert again.fields["full_name"] == "Образцова Анна", "filled in, not sent"
    assert not calls_of(services, "update_profile")


def test_a_form_waits_over_log_in_and_new_rules(
    cabinet: CabinetBrowser, services: FakeServices, shelf: Shelf
) -> None:
    cabinet.sign_in()
    typed = {**cabinet.get("/settings").fields, "full_name": "Образцова Анна"}
    services.answers["identity", "authenticate"] = NotFound("session_expired", "x")
    waiting = cabinet.post("/settings", typed)
    assert waiting.status == 401
    services.answers["identity", "authenticate"] = shelf.authenticate
    shelf.publish("rules")
    log_in = {"email": "ivanov@example.org", "password": "correct horse battery"}
    rules = cabinet.post("/login", {**waiting.fields, **log_in})
    assert "Новая редакция правил" in rules.title
    again = cabinet.post("/acceptance", {**rules.fields, "accept_rules": "yes"})
    assert again.fields["full_name"] == "Образцова Анна"


def test_the_log_in_leads_to_new_rules_and_on(cabinet: CabinetBrowser, shelf: Shelf) -> None:
    shelf.publish("rules")
    log_in = {"email": "ivanov@example.org", "password": "correct horse battery"}
    led = cabinet.submit("/?next=/pay", "/login", **log_in)
    assert led.location == "/acceptance?next=%2Fpay"


def test_a_version_that_comes_while_one_reads_is_asked_for_too(
    cabinet: CabinetBrowser, shelf: Shelf
) -> None:
    cabinet.sign_in()
    shelf.publish("rules")
    shown = cabinet.get("/acceptance").fields
    shelf.publish("rules", "2027-01-01")
    back = cabinet.post("/acceptance", {**shown, "accept_rules": "yes"})
    assert back.status == 409
    assert "Пока Вы читали, вышла новая редакция." in back.text
    assert (back.fields["rules_version"], "accept_rules" in back.fields) == ("2027-01-01", False)
    shelf.publish("consent")
    next_ = cabinet.post("/acceptance", {**back.fields, "accept_rules": "yes"})
    assert next_.fields["consent_version"] == NEW, "the rules are accepted, the consent is not"
    assert "rules_version" not in next_.fields
    done = cabinet.post("/acceptance", {**next_.fields, "consent_personal_data": "yes"})
    assert done.status == 303


def test_the_page_that_follows_is_one_of_ours(cabinet: CabinetBrowser, shelf: Shelf) -> None:
    cabinet.sign_in()
    shelf.publish("rules")
    for next_ in ("https://evil.example/", "//evil.example", "/acceptance?next=/acceptance", "/"):
        assert cabinet.get(f"/acceptance?next={next_}").fields["_next"] == "/accounts"


def test_an_acceptance_that_outlived_its_session_is_asked_for_once(
    cabinet: CabinetBrowser, services: FakeServices, shelf: Shelf
) -> None:
    cabinet.sign_in()
    shelf.publish("rules")
    shown = cabinet.get("/acceptance?next=/settings").fields
    services.answers["identity", "authenticate"] = Forbidden("session_expired", "It has ended.")
    ended = cabinet.post("/acceptance", {**shown, "accept_rules": "yes"})
    assert ended.status == 401
    services.answers["identity", "authenticate"] = shelf.authenticate
    asked = cabinet.post("/login", {**ended.fields, "email": "a@example.org", "password": "x"})
    assert asked.fields["rules_version"] == NEW
    done = cabinet.post("/acceptance", {**asked.fields, "accept_rules": "yes"})
    assert (done.status, done.location) == (303, "/accounts")


def test_what_was_accepted_on_another_page_is_not_asked_for_again(
    cabinet: CabinetBrowser, services: FakeServices, shelf: Shelf
) -> None:
    cabinet.sign_in()
    shelf.publish("rules")
    first, second = (cabinet.get("/acceptance?next=/settings").fields for _ in range(2))
    assert cabinet.post("/acceptance", {**first, "accept_rules": "yes"}).status == 303
    done = cabinet.post("/acceptance", second)
    assert (done.status, done.location) == (303, "/settings")
    assert len(calls_of(services, "accept_documents")) == 1


# The documents


def test_a_document_lists_its_versions(cabinet: CabinetBrowser, shelf: Shelf) -> None:
    shelf.publish("rules")
    shelf.versions["rules"].insert(0, "2027-01-01")
    shown = cabinet.get("/documents/rules")
    assert "1 декабря 2026, действует" in shown.text
    for version in ("2027-01-01", OLD):
        assert f"/documents/rules?version={version}" in shown.links
        assert f"/documents/rules.pdf?version={version}" in shown.links
    assert "Эта редакция вступит в силу 1 января 2027." in version_page(cabinet, "2027-01-01").text
    earlier = version_page(cabinet, OLD)
    assert "Это прежняя редакция, она больше не действует." in earlier.text
    assert "/documents/rules" in earlier.links
    assert "прежняя" not in shown.text


def version_page(cabinet: CabinetBrowser, version: str) -> Shown:
    return cabinet.get(f"/documents/rules?version={version}")


@pytest.mark.parametrize("version", ["1999-01-01", "x" * 100, "../rules"])
@pytest.mark.parametrize("ending", ["", ".pdf"])
def test_an_unknown_version_leads_to_the_current_one(
    cabinet: CabinetBrowser, shelf: Shelf, version: str, ending: str
) -> None:
    shown = cabinet.get(f"/documents/rules{ending}?version={version}")
    assert (shown.status, shown.title) == (404, "Такой редакции нет — Saldo")
    assert "действует редакция от 1 ноября 2026" in shown.text
    assert "/documents/rules" in shown.links


def test_pictures_of_a_document_wait_until_they_are_scrolled_to(
    cabinet: CabinetBrowser, services: FakeServices, shelf: Shelf
) -> None:
    text = "# Инструкция\n\n![Форма <оплаты>](pictures/pay.png)\n\n![Чужая](https://evil.example/x.png)\n"
    services.answers["identity", "document"] = lambda **given: {
        **shelf.document(**given),
        "text": text,
    }
    shown = cabinet.get("/documents/instruction")
    images = re.findall(r"<img [^>]+>", shown.markup)
    assert len(images) == 1, "what is none of ours stays a text"
    assert re.fullmatch(
        r'<img class="shot" src="(/static/pay\.[\w-]+\.png)" alt="Форма &lt;оплаты&gt;"'
        r' width="[0-9]+" height="[0-9]+" loading="lazy">',
        images[0],
    )
    assert "Чужая" in shown.text
    assert "evil.example" not in shown.markup
    picture = cabinet.client.get(re.findall('src="([^"]+)"', images[0])[0])
    assert picture.data.startswith(b"\x89PNG")
    assert picture.content_type == "image/png"
    assert "immutable" in picture.headers["Cache-Control"]

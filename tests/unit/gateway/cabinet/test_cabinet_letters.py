"""«Письма»: the settings of letters, and the link that switches some off (RFC 8058)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from cabinet_doubles import CabinetBrowser
from gateway_doubles import LINK_TOKEN, THING, FakeServices
from gateway_samples import LETTER, PROFILE
from test_cabinet_round_trips import link

from gateway.cabinet.visit import BESIDE_SECONDS
from shared.contracts.notifications import OPTIONAL
from shared.errors import NotFound, Unavailable

HOME = "/settings/letters"
LINK = f"/letters/unsubscribe/{LINK_TOKEN}"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
PENDING = {
    "email": "new@example.org",
    "way": "both",
    "new_confirmed": False,
    "old_confirmed": False,
    "due_at": None,
    "expires_at": "2026-05-20T08:00:00+00:00",
}
ELSEWHERE = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}


@pytest.fixture(autouse=True)
def _answers(services: FakeServices) -> None:
    services.answers |= {
        ("identity", "profile"): {**PROFILE, "language": "en"},
        ("identity", "choose_language"): {"language": "ru"},
        ("notifications", "choices"): {
            "optional": dict.fromkeys(OPTIONAL, True) | {"due_soon": False},
            "bounced_since": None,
        },
        ("notifications", "letters"): {"letters": [LETTER]},
        ("notifications", "choose"): {},
        ("notifications", "subscription"): {"kind": "due_soon", "wanted": True},
        ("notifications", "unsubscribe"): {"kind": "due_soon"},
    }


@pytest.fixture
def signed_in(cabinet: CabinetBrowser) -> CabinetBrowser:
    cabinet.sign_in()
    return cabinet


def chosen(services: FakeServices) -> list[tuple[str, dict[str, Any]]]:
    return [(method, told) for _, method, told in services.calls if method.startswith("choose")]


def test_the_form_stands_as_it_was_chosen(signed_in: CabinetBrowser) -> None:
    shown = signed_in.get(HOME)
    assert shown.fields["language"] == "en"
    assert {kind for kind in OPTIONAL if kind in shown.fields} == {"bill_ready", "overdue"}
    assert "ivanov@example.org" in shown.text
    assert "Платёж прошёл: квитанция" in shown.text
    assert "возвращаются" not in shown.text


def test_every_optional_letter_has_its_box(signed_in: CabinetBrowser) -> None:
    markup = signed_in.get(HOME).markup
    boxes = re.findall(r'<input type="checkbox" id="(\w+)"', markup)
    assert sorted(boxes) == sorted(kind.value for kind in OPTIONAL)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_letters_of_a_registration_have_the_language_of_its_pages(
    cabinet: CabinetBrowser, services: FakeServices, language: str
) -> None:
    services.answers["identity", "start_registration"] = {"registration_id": THING}
    cabinet.submit("/look", "/look", language=language)
    cabinet.submit("/register", "/register", person_type="individual", email="a@example.org")
    started = [told for _, method, told in services.calls if method == "start_registration"]
    assert [told["language"] for told in started] == [language]


def test_language_and_letters_are_saved(signed_in: CabinetBrowser, services: FakeServices) -> None:
    fields = signed_in.get(HOME).fields | {"language": "ru", "due_soon": "yes"}
    del fields["overdue"]
    saved = signed_in.post(HOME, fields)
    assert (saved.status, saved.location) == (303, HOME)
    person_id = PROFILE["person_id"]
    assert chosen(services) == [
        ("choose_language", {"person_id": person_id, "language": "ru"}),
        (
            "choose",
            {
                "person_id": person_id,
                "wanted": {"bill_ready": True, "due_soon": True, "overdue": False},
            },
        ),
    ]
    assert "Сохранено." in signed_in.get(HOME).text


def test_a_wrong_language_is_said_at_its_field_and_the_boxes_stay(
    signed_in: CabinetBrowser, services: FakeServices
) -> None:
    fields = signed_in.get(HOME).fields | {"language": "xx", "due_soon": "yes"}
    del fields["overdue"]
    shown = signed_in.post(HOME, fields)
    assert shown.status == 422
    assert 'href="#language"' in shown.markup
    assert {kind for kind in OPTIONAL if kind in shown.fields} == {"bill_ready", "due_soon"}
    assert chosen(services) == []


def test_switching_the_language_of_the_pages_leaves_that_of_letters(
    signed_in: CabinetBrowser, services: FakeServices
) -> None:
    signed_in.submit("/look", "/look", language="en")
    assert signed_in.get(HOME).fields["language"] == "en"
    assert chosen(services) == []


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("queued", None, "отправляется"),
        ("bounced", None, "вернулось"),
        ("failed", "refused_by_server", "не отправлено"),
        ("failed", "stale", "не понадобилось"),
    ],
)
def test_the_state_of_a_letter_is_said_in_words(
    signed_in: CabinetBrowser, services: FakeServices, state: str, reason: str | None, words: str
) -> None:
    letter = {**LETTER, "state": state, "reason": reason, "sent_at": None}
    services.answers["notifications", "letters"] = {"letters": [letter]}
    text = signed_in.get(HOME).text.partition("Последние письма")[2].partition("Если писем")[0]
    assert words in text


def test_whoever_has_had_no_letters_is_told_so(
    signed_in: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["notifications", "letters"] = {"letters": []}
    assert "Писем пока не было." in signed_in.get(HOME).text


def test_a_person_whose_letters_come_back_is_told_what_to_do(
    signed_in: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["notifications", "choices"] |= {"bounced_since": "2026-05-10T08:00:00+00:00"}
    shown = signed_in.get(HOME)
    assert "возвращаются с 10 мая 2026" in shown.text
    assert "/settings/email" in shown.links


# Where a letter is awaited

AWAITED = (f"/register/{THING}", f"/register/{THING}/done", "/recover/sent")


@pytest.mark.parametrize("path", AWAITED)
@pytest.mark.parametrize("late", [True, False])
def test_whoever_waits_for_a_letter_is_told_that_letters_are_late(
    cabinet: CabinetBrowser, services: FakeServices, path: str, late: bool
) -> None:
    link(services, 1)
    services.answers["notifications", "delivery"] = {"late": late}
    assert ("Письмо придёт само" in cabinet.get(path).text) is late


@pytest.mark.parametrize("path", [*AWAITED, "/accounts", "/settings/email"])
def test_without_notifications_the_page_stands_all_the_same(
    signed_in: CabinetBrowser, services: FakeServices, path: str
) -> None:
    link(services, 1)
    for method in ("delivery", "choices"):
        services.answers["notifications", method] = Unavailable("service_unavailable", "away")
    shown = signed_in.get(path)
    assert shown.status == 200
    assert "задерживаются" not in shown.text


@pytest.mark.parametrize("path", ["/accounts", "/settings/email"])
def test_a_mailbox_that_returns_letters_is_said_where_it_matters(
    signed_in: CabinetBrowser, services: FakeServices, path: str
) -> None:
    link(services, 1)
    services.answers["notifications", "choices"] = {"bounced_since": "2026-05-10T08:00:00+00:00"}
    assert "возвращаются с 10 мая 2026: коды" in signed_in.get(path).text


@pytest.mark.parametrize("path", [*AWAITED, "/accounts", "/settings/email"])
def test_pages_do_not_wait_long_for_the_status_of_letters(
    signed_in: CabinetBrowser, services: FakeServices, path: str
) -> None:
    link(services, 1)
    services.answers["identity", "pending_email_change"] = {"pending": PENDING}
    signed_in.get(path)
    asked = zip(services.calls, services.deadlines, strict=True)
    waited = [deadline for (service, *_), deadline in asked if service == "notifications"]
    assert waited
    assert max(waited) <= BESIDE_SECONDS


# The link of a letter


def test_following_a_link_changes_nothing(cabinet: CabinetBrowser, services: FakeServices) -> None:
    """Scanners of mail follow every link."""
    for _ in range(2):
        shown = cabinet.get(LINK)
        assert shown.status == 200
        assert "Отключить письма «Скоро срок оплаты»?" in shown.text
    assert {method for _, method, _ in services.calls} == {"subscription"}


def test_the_button_switches_off_and_leads_back(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    done = cabinet.submit(LINK, LINK)
    assert (done.status, done.location) == (303, LINK)
    assert services.calls[-1] == ("notifications", "unsubscribe", {"token": LINK_TOKEN})
    services.answers["notifications", "subscription"] = {"kind": "due_soon", "wanted": False}
    shown = cabinet.get(LINK)
    assert "Письма «Скоро срок оплаты» отключены" in shown.text
    assert HOME in shown.links
    assert "_csrf" not in shown.fields, "there is nothing left to switch off"


@pytest.mark.parametrize("headers", [{}, ELSEWHERE, {"Origin": "null"}])
@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "application/x-www-form-urlencoded"]
)
def test_a_mail_program_switches_off_by_one_post(
    cabinet: CabinetBrowser, services: FakeServices, headers: dict[str, str], content_type: str
) -> None:
    """RFC 8058, 3.1: no cookie, no context, either form, and no redirect."""
    services.answers["notifications", "subscription"] = {"kind": "due_soon", "wanted": False}
    for _ in range(2):
        response = cabinet.client.post(
            LINK, data=ONE_CLICK, content_type=content_type, headers={**headers, "User-Agent": "x"}
        )
        assert (response.status_code, response.data) == (200, b"")
    assert services.calls == [("notifications", "unsubscribe", {"token": LINK_TOKEN})] * 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"List-Unsubscribe": "Two-Clicks"},
        {"list-unsubscribe": "one-click"},
        {**ONE_CLICK, "more": "fields"},
    ],
)
def test_no_other_post_of_another_site_is_taken(
    cabinet: CabinetBrowser, services: FakeServices, body: dict[str, str]
) -> None:
    refused = cabinet.client.post(LINK, data=body, headers=ELSEWHERE)
    assert refused.status_code == 403
    assert services.calls == []


def test_a_mail_program_has_no_way_to_any_other_page(
    signed_in: CabinetBrowser, services: FakeServices
) -> None:
    for path in ("/settings", HOME, "/settings/data", "/logout"):
        response = signed_in.client.post(path, data=ONE_CLICK, headers=ELSEWHERE)
        assert response.status_code == 403
    assert chosen(services) == []


@pytest.mark.parametrize("method", ["subscription", "unsubscribe"])
def test_a_link_that_we_never_sent_is_a_page_with_a_way_on(
    cabinet: CabinetBrowser, services: FakeServices, method: str
) -> None:
    missing = NotFound("unsubscribe_link_unknown", "There is no such link.")
    services.answers["notifications", method] = missing
    shown = cabinet.get(LINK) if method == "subscription" else cabinet.post(LINK, dict(ONE_CLICK))
    assert shown.status == 404
    assert "настройках кабинета" in shown.text


@pytest.mark.parametrize("token", ["A" * 42, "A" * 44, "A" * 42 + "%2F", "A" * 40 + "..."])
def test_what_is_no_token_is_not_asked_for(
    cabinet: CabinetBrowser, services: FakeServices, token: str
) -> None:
    assert cabinet.get(f"/letters/unsubscribe/{token}").status == 404
    response = cabinet.client.post(f"/letters/unsubscribe/{token}", data=ONE_CLICK)
    assert response.status_code in {404, 405}
    assert [call for call in services.calls if call[0] == "notifications"] == []


def test_the_page_of_a_link_is_kept_by_no_cache_and_names_nobody(cabinet: CabinetBrowser) -> None:
    shown = cabinet.get(LINK)
    assert shown.headers["Cache-Control"] == "no-store"
    assert shown.headers["Referrer-Policy"] == "same-origin"
    assert "@" not in shown.text

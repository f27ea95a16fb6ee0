"""S26: each message says what is wrong and leads on, in both languages, without scripts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from gateway.messages import CATALOGUE
from tests.browser import honesty
from tests.browser.plain_client import PlainClient, read_forms
from tests.browser.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
ACCOUNT = "0100000039"
SHORT = 10
"""Characters of a text before its first parameter that say too little to be looked for."""
SECRET = {"code", "current_password", "new_password"}
"""Fields that come back empty."""


@dataclass(frozen=True)
class Mistake:
    """A form of a page, and what is typed into it wrongly. `wrong`: the fields that are named."""

    page: str
    action: str
    typed: Mapping[str, str] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()
    leads_to: str = ""
    """Where the page must lead, beside the form itself."""


ANYBODY = {
    "no such person": Mistake("/", "/login", {"email": "nobody@demo.saldo.invalid"}),
    "no address": Mistake(
        "/register", "/register", {"person_type": "individual", "email": "x"}, ("email",)
    ),
    "a code of no registration": Mistake(
        "/register/{id}",
        "/register/{id}",
        {"code": "123456", "accept_rules": "yes", "consent_personal_data": "yes"},
        leads_to="/register",
    ),
    "no address to recover": Mistake("/recover", "/recover", {"email": "x"}, ("email",)),
    "a receipt that is none": Mistake("/verify", "/verify", {"receipt": "{}"}),
}
SIGNED_IN = {
    "no account number": Mistake("/accounts/link", "/accounts/lookup", {}, ("number",)),
    "no such account": Mistake("/accounts/link", "/accounts/lookup", {"number": "9999999999"}),
    "no sum": Mistake("/pay", "/pay", {f"amount-{ACCOUNT}": "сто"}, (f"amount-{ACCOUNT}",)),
    "all zeros": Mistake("/pay", "/pay", {f"amount-{ACCOUNT}": "0", f"penalty-{ACCOUNT}": "0"}),
    "no telephone": Mistake("/settings", "/settings", {"phone": "12"}, ("phone",)),
    "no topic": Mistake("/questions/new", "/questions", {"text": "Почему?"}, ("topic",)),
    "no text": Mistake("/questions/new", "/questions", {"topic": "charges"}, ("text",)),
    "another password": Mistake(
        "/password",
        "/password",
        {"current_password": "no", "new_password": "Липа и клён 55"},
        ("current_password",),
    ),
    "a short password": Mistake(
        "/password", "/password", {"current_password": "x", "new_password": "x"}, ("new_password",)
    ),
}


@pytest.fixture(scope="module", params=["ru", "en"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def resident(site: Site, language: str) -> PlainClient:
    return PlainClient(site.url, site.new_person(ACCOUNT).person, language)


@pytest.fixture(scope="module")
def stranger(site: Site, language: str) -> PlainClient:
    return PlainClient(site.url, language=language)


@pytest.mark.parametrize("name", ANYBODY)
def test_a_mistake_before_the_log_in_leads_on(
    stranger: PlainClient, language: str, name: str
) -> None:
    assert_leads_on(stranger, language, ANYBODY[name])


@pytest.mark.parametrize("name", SIGNED_IN)
def test_a_mistake_in_the_cabinet_leads_on(resident: PlainClient, language: str, name: str) -> None:
    assert_leads_on(resident, language, SIGNED_IN[name])


def test_pages_of_errors_lead_on(resident: PlainClient, language: str) -> None:
    for path, status in (
        ("/nowhere", 404),
        (f"/payments/{uuid4()}", 404),
        ("/accounts/9999999999/bills/2026-10", 404),
        ("/charges/" + ACCOUNT + "/1999-01", 404),
    ):
        response = resident.get(path)
        assert response.status_code == status, path
        said = honesty.read_main(response.text)
        assert said.heading
        assert said.targets[0] in {"/", "/accounts"}, path
        assert_in_language(said, language)


def test_each_problem_has_a_page_with_the_remedy(stranger: PlainClient, language: str) -> None:
    for code, texts in CATALOGUE.items():
        response = stranger.get(f"/problems/{code}")
        said = honesty.read_main(response.text)
        assert response.status_code == 200, code
        words = texts[language].partition("{")[0].strip()
        assert words in f"{said.heading}. {said.text}" or len(words) < SHORT, code
        assert "/problems" in said.targets


def assert_leads_on(client: PlainClient, language: str, mistake: Mistake) -> None:
    """Send a wrong form: what is wrong is said, the form stands as it was typed, and goes on."""
    registration = str(uuid4())
    page, action = (text.format(id=registration) for text in (mistake.page, mistake.action))
    response = client.post(action, client.form(page, action) | mistake.typed)
    assert response.status_code in {404, 409, 422}, response.status_code
    said, html = honesty.read_main(response.text), response.text
    summary = html.partition('class="summary"')[2].partition("</section>")[0]
    assert summary, "the summary on top"
    assert_in_language(said, language)
    for name in mistake.wrong:
        assert f'href="#{name}"' in summary, "the summary leads to the field"
        assert f'id="{name}"' in html
        assert f'id="{name}-error"' in html
    typed = {name: mistake.typed[name] for name in mistake.typed.keys() - SECRET}
    kept = read_forms(html)[action]
    for name, text in typed.items():
        assert kept.get(name, text) == text, f"{name} stays as it was typed"
    assert action in said.targets, "the form stands there with its button"
    assert mistake.leads_to in {"", *said.targets}


def assert_in_language(said: honesty.Said, language: str) -> None:
    """No Russian message on an English page, and no English one on a Russian."""
    assert bool(CYRILLIC.search(said.heading)) == (language == "ru"), said.heading

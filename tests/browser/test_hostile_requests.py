"""Forms of other sites, forms sent many times, and other persons' numbers and ids."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from gateway.cabinet.page import Page
from gateway.service import Gateway
from tests.browser.addresses import ADDRESSES, Resident, new_resident
from tests.browser.plain_client import PlainClient, heading_of
from tests.browser.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

CLICKS = 20
ATTACKS = {
    "a foreign origin": ({"Origin": "https://elsewhere.example"}, {}),
    "no origin to speak of": ({"Origin": "null"}, {}),
    "our name within a foreign one": ({"Origin": "{url}.elsewhere.example"}, {}),
    "another port of this machine": ({"Origin": "http://127.0.0.1:1"}, {}),
    "a browser that says so": ({"Sec-Fetch-Site": "cross-site"}, {}),
    "no token": ({}, {"_csrf": ""}),
    "an invented token": ({}, {"_csrf": "A" * 86}),
    "the token of another person": ({}, {"_csrf": "{foreign_token}"}),
}
PERSONAL = (
    "/charges?account={account}",
    "/pay?account={account}",
    "/payments/{paid}",
    "/payments/{paid}?orderId=1",
    "/payments/{paid}/state",
    "/payments/{open}/receipt",
    "/questions/{question}/attachments/{file}",
)
"""Addresses beside those of ADDRESSES that show what belongs to a person."""


@pytest.fixture(scope="module")
def resident(site: Site) -> Resident:
    return new_resident(site, "0100000013", "0100000014")


@pytest.fixture(scope="module")
def owner(site: Site, resident: Resident) -> PlainClient:
    """The resident, signed in."""
    return PlainClient(site.url, resident.journey.person)


@pytest.fixture(scope="module")
def other(site: Site) -> PlainClient:
    """Another person, with an account of his own, signed in."""
    return PlainClient(site.url, site.new_person("0100000015").person)


def test_one_form_sent_many_times_at_once_makes_one_order(
    owner: PlainClient, resident: Resident
) -> None:
    fields = owner.form("/pay", "/pay") | {f"amount-{resident.facts['account']}": "33,44"}
    fields.pop("_recount", None)
    before = len(resident.journey.client.history())
    with ThreadPoolExecutor(CLICKS) as pool:
        responses = list(pool.map(lambda _: owner.post("/pay", fields), range(CLICKS)))
    assert {response.status_code for response in responses} == {303}
    assert len({response.headers["Location"] for response in responses}) == 1
    assert len(resident.journey.client.history()) == before + 1


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_form_of_another_site_changes_nothing(
    owner: PlainClient, other: PlainClient, resident: Resident, attack: str
) -> None:
    words = {"url": owner.url, "foreign_token": csrf_of(other)}
    headers, changes = (filled(texts, words) for texts in ATTACKS[attack])
    fields = owner.form("/settings", "/settings") | {"full_name": "Чужая Воля"}
    before = resident.journey.client.profile()
    assert owner.post("/settings", fields | changes, headers).status_code == 403
    assert resident.journey.client.profile() == before
    right = fields | {"full_name": before["full_name"]}
    assert owner.post("/settings", right).status_code == 303, "it was not the form itself"


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "multipart/form-data"])
def test_a_body_that_is_no_form_is_refused(owner: PlainClient, media_type: str) -> None:
    response = owner.post("/settings", '{"full_name": "x"}', {"Content-Type": media_type})
    assert response.status_code == 415


def test_no_page_that_acts_obeys_another_site(owner: PlainClient, resident: Resident) -> None:
    acting = posting_paths(resident)
    assert len(acting) >= 15
    for path in acting:
        for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert owner.post(path, {}, headers).status_code == 403, path
        assert owner.get("/accounts").status_code == 200, f"{path} has ended the session"
    assert len(resident.journey.client.accounts()) == 2


def test_personal_pages_are_framed_by_nobody_and_kept_by_no_cache(owner: PlainClient) -> None:
    response = owner.get("/accounts")
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["Cache-Control"] == "no-store"


NOBODYS = ("{registration}", "{order}", "{token}", "{invitation}")
"""What an address may hold that belongs to no person: whoever has it may come."""


def test_what_belongs_to_another_person_does_not_exist(
    other: PlainClient, resident: Resident
) -> None:
    nothing = dict.fromkeys(resident.facts, str(uuid4())) | {"account": "9999999999"}
    personal = [
        address
        for address in (*ADDRESSES.values(), *PERSONAL)
        if "{" in address and not any(each in address for each in NOBODYS)
    ]
    assert len(personal) > len(PERSONAL)
    shown = {}
    for address in personal:
        foreign, missing = (
            other.get(address.format_map(facts)) for facts in (resident.facts, nothing)
        )
        assert heading_of(foreign) == heading_of(missing), address
        if (foreign.status_code, missing.status_code) != (404, 404):
            shown[address] = foreign.status_code, missing.status_code
    assert not shown


def test_nothing_is_done_to_what_belongs_to_another_person(
    other: PlainClient, resident: Resident
) -> None:
    client, facts = resident.journey.client, resident.facts
    token = {"_csrf": csrf_of(other)}
    session_id = client.call("GET", "/sessions")["sessions"][0]["session_id"]
    question = client.question(facts["question"])
    account = facts["account"]
    forms: dict[str, dict[str, str]] = {
        f"/accounts/{account}/unlink": {},
        f"/payments/{facts['open']}/check": {},
        f"/questions/{facts['question']}": {"text": "Чужое"},
        f"/settings/sessions/{session_id}": {},
    }
    statuses = {path: other.post(path, token | body).status_code for path, body in forms.items()}
    assert set(statuses.values()) == {404}, statuses
    order = {f"amount-{account}": "1,00", f"penalty-{account}": "0", f"was-{account}": "0-0"}
    assert other.post("/pay", token | order).status_code == 404
    topic = {"topic": "charges", "account": account, "text": "О чужом счёте"}
    assert other.post("/questions", token | topic).status_code in {404, 422}
    assert client.question(facts["question"]) == question
    assert len(client.accounts()) == 2


def csrf_of(client: PlainClient) -> str:
    """Return a token that is right for this person."""
    return client.form("/settings", "/settings")["_csrf"]


def posting_paths(resident: Resident) -> list[str]:
    """Return the paths of all pages that act, with values of the resident in them."""
    facts = resident.facts
    values = {
        "<number>": facts["account"],
        "<uuid:payment_id>": facts["open"],
        "<uuid:question_id>": facts["question"],
        "<uuid:registration_id>": facts["registration"],
        "<token:token>": facts["token"],
        "<token:link>": facts["token"],
        "<any(new,old):side>": "old",
        "<uuid:session_id>": facts["registration"],
        "<uuid:access_id>": facts["registration"],
        "<uuid:challenge_id>": facts["registration"],
        "<uuid:passkey_id>": facts["registration"],
    }
    found = (getattr(getattr(Gateway, name), "page", None) for name in dir(Gateway))
    paths = [one.path for one in found if isinstance(one, Page) and one.method == "POST"]
    for name, value in values.items():
        paths = [path.replace(name, value) for path in paths]
    assert not [path for path in paths if "<" in path]
    return paths


def filled(texts: Mapping[str, str], words: Mapping[str, str]) -> dict[str, str]:
    return {name: text.format_map(words) for name, text in texts.items()}

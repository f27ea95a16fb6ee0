"""A revoked session or link is refused by every gateway, from the answer of the revocation on.

Two gateways run: what one of them revokes the other one must refuse, too. The deadline of a second
is what people are promised; no gateway remembers a session or a link, so the first try is refused.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from deploy.demo.acquirer_page import Payer
from deploy.demo.client import CabinetClient, PaymentLine, Problem
from deploy.demo.company import demo_accounts
from deploy.demo.journey import register, set_up_cabinet, wait_until_completed
from deploy.demo.letters import Mailbox
from deploy.demo.person import Journey, Person
from deploy.demo.report import Report
from gateway.cabinet.page import Page
from gateway.openapi import operations_of
from gateway.operations import Access, Operation
from gateway.service import Gateway
from tests.browser.plain_client import PlainClient
from tests.conftest import Database
from tests.demo_installation import demo_installation
from tests.gateway_process import gateway_process
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

PROMISED_SECONDS = 1.0
KEPT, LOST = "0100000017", "0100000018"
OPERATIONS = [
    found for found in operations_of(Gateway).values() if found.access is not Access.PUBLIC
]
PAGES = [
    found
    for name in dir(Gateway)
    if isinstance(found := getattr(getattr(Gateway, name), "page", None), Page)
    and found.access is not Access.PUBLIC
]


@dataclass(frozen=True)
class Installed:
    """Two gateways of one installation, and the letters that it sends."""

    urls: tuple[str, str]
    mailbox: Mailbox


class Resident:
    """A person with two accounts, a payment of each, and a question."""

    def __init__(self, installed: Installed) -> None:
        self.urls = installed.urls
        journey = Journey(CabinetClient(self.urls[0]), Report(), installed.mailbox, [])
        register(journey)
        set_up_cabinet(journey)
        self.person: Person = journey.person
        self.client = journey.client
        proofs = {account.number: account.proof for account in demo_accounts()}
        for number in (KEPT, LOST):
            self.client.link(number, proofs[number])
        paid = self.client.start_payment([PaymentLine(LOST, 10_00)], str(uuid4()))
        Payer().pay(paid["redirect_url"])
        wait_until_completed(self.client, paid["payment_id"])
        asked = self.client.ask("charges", "Почему больше?", LOST)
        self.facts = {
            "number": LOST,
            "period": "2026-10",
            "payment_id": str(paid["payment_id"]),
            "question_id": str(asked["question_id"]),
            "session_id": str(uuid4()),
            "passkey_id": str(uuid4()),
            "challenge_id": str(uuid4()),
            "access_id": str(uuid4()),
            "invitation_id": str(uuid4()),
            "attachment_id": str(uuid4()),
            "token": "A" * 43,
            "side": "old",
            "ending": "csv",
        }

    def log_in(self) -> tuple[CabinetClient, str]:
        """Open one more session; return its client and its id."""
        client = CabinetClient(self.urls[0])
        session = client.sign_in(self.person.email, self.person.own_password)
        return client, str(session["session_id"])

    def at(self, template: str) -> str:
        """Return the address of a route or a page, with values of this person."""
        return re.sub(r"{(\w+)}", lambda found: self.facts[found[1]], template)


Revoke = Callable[[Resident, str], None]
"""Ends a session of a person, given its id."""


@pytest.fixture(scope="module")
def installed(
    module_database: Database, module_bus: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("revocation") / "saldo"
    with (
        demo_installation(module_database.settings, folder) as running,
        gateway_process(running.environment) as second,
    ):
        environment = running.environment
        urls = (environment["SALDO_URL"], second.url)
        yield Installed(urls, Mailbox(Path(environment["SALDO_MAIL_DIR"])))


@pytest.fixture
def resident(installed: Installed) -> Resident:
    return Resident(installed)


def _ask(url: str, method: str, path: str, token: str | None) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(
            method,
            url + path,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            allow_redirects=False,
        )


def _open(url: str, page: Page, path: str, cookies: dict[str, str]) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(
            page.method,
            url + path,
            headers={"Origin": url},
            cookies=cookies,
            data={"_csrf": "old"} if page.method == "POST" else None,
            timeout=30,
            allow_redirects=False,
        )


def _is_refused(response: requests.Response) -> bool:
    """Return whether a page or an operation has led to the log-in, or refused."""
    to_log_in = response.headers.get("Location", "").startswith("/?next=")
    return response.status_code == 401 or (response.status_code == 303 and to_log_in)


def _await_refusal(url: str, refused: Callable[[str], bool]) -> None:
    eventually(partial(refused, url), f"{url} refuses it", PROMISED_SECONDS)


def end_by_id(resident: Resident, session_id: str) -> None:
    resident.client.call("DELETE", f"/sessions/{session_id}")


def change_the_password(resident: Resident, _session_id: str) -> None:
    resident.client.change_password(resident.person.own_password, f"new {uuid4()}")


@pytest.mark.parametrize("revoke", [end_by_id, change_the_password])
def test_ended_session_is_refused_by_each_operation_of_each_gateway(
    resident: Resident, revoke: Revoke
) -> None:
    client, session_id = resident.log_in()
    for url in resident.urls:
        assert _ask(url, "GET", "/api/v1/me", client.token).status_code == 200
    revoke(resident, session_id)
    for url in reversed(resident.urls):
        _await_refusal(url, lambda at: _is_refused(_ask(at, "GET", "/api/v1/me", client.token)))
        for operation in OPERATIONS:
            path = resident.at(operation.template)
            answer = _ask(url, operation.method, path, client.token)
            assert answer.status_code == 401, f"{operation.method} {path}"
            # No person's session was ever a token of another system.
            of_subscribers = operation.template.endswith(("/events", "/events/epochs"))
            expected = "subscriber_unknown" if of_subscribers else "not_signed_in"
            assert answer.json()["code"] == expected


@pytest.mark.parametrize("revoke", [end_by_id, change_the_password])
def test_ended_session_is_refused_by_each_page_of_each_gateway(
    resident: Resident, revoke: Revoke
) -> None:
    browser = PlainClient(resident.urls[0], resident.person)
    sessions = resident.client.call("GET", "/sessions")["sessions"]
    session_id = str(sessions[0]["session_id"])
    accounts = Page(method="GET", path="/accounts")
    for url in resident.urls:
        assert _open(url, accounts, "/accounts", browser.cookies).status_code == 200
    revoke(resident, session_id)
    for url in reversed(resident.urls):
        _await_refusal(
            url, lambda at: _is_refused(_open(at, accounts, "/accounts", browser.cookies))
        )
        for page in PAGES:
            path = resident.at(page.template)
            assert _is_refused(_open(url, page, path, browser.cookies)), f"{page.method} {path}"


def _of_an_account(found: Operation | Page) -> bool:
    return found.method == "GET" and "{number}" in found.template


def _asked_for(found: Operation | Page) -> str:
    """Return the query with which it answers for an account that owes something."""
    if "certificate" in found.path:
        return "kind=debt"
    return "on=2026-12-31" if "penalty" in found.path else ""


def test_unlinked_account_does_not_exist_for_any_gateway(resident: Resident) -> None:
    browser = PlainClient(resident.urls[0], resident.person)
    token = resident.client.token
    operations = [
        f"{resident.at(found.template)}?{_asked_for(found)}"
        for found in OPERATIONS
        if _of_an_account(found)
    ]
    pages = [found for found in PAGES if _of_an_account(found)]
    assert len(operations) >= 6
    assert len(pages) >= 6
    for url in resident.urls:
        assert [_ask(url, "GET", path, token).status_code for path in operations] == [200] * len(
            operations
        )
        for page in pages:
            path = f"{resident.at(page.template)}?{_asked_for(page)}"
            assert _open(url, page, path, browser.cookies).status_code == 200, path

    resident.client.unlink(LOST)
    for url in reversed(resident.urls):
        _await_refusal(url, lambda at: _ask(at, "GET", operations[0], token).status_code == 404)
        for path in operations:
            answer = _ask(url, "GET", path, token)
            assert (answer.status_code, answer.json()["code"]) == (404, "account_not_linked"), path
        for page in pages:
            path = resident.at(page.template)
            assert _open(url, page, path, browser.cookies).status_code == 404, path
        for path in ("/accounts", "/charges", "/payments/due", "/statement"):
            answer = _ask(url, "GET", f"/api/v1{path}", token)
            assert answer.status_code == 200, path
            assert KEPT in answer.text
            assert LOST not in answer.text, path
        for path in ("/accounts", "/charges", "/pay", "/statement.csv"):
            answer = _open(url, Page(method="GET", path=path), path, browser.cookies)
            assert answer.status_code == 200, path
            assert LOST not in answer.text, path
        # What she has paid stays hers, with its receipt.
        receipt = resident.at("/payments/{payment_id}/receipt")
        assert _ask(url, "GET", f"/api/v1{receipt}", token).status_code == 200
    with pytest.raises(Problem, match="account_not_linked"):
        resident.client.start_payment([PaymentLine(LOST, 10_00)], str(uuid4()))


@pytest.mark.parametrize("gateway", [0, 1])
def test_request_under_way_is_refused_when_its_session_ends_before_it_has_arrived(
    resident: Resident, gateway: int
) -> None:
    client, session_id = resident.log_in()
    before = resident.client.profile()
    body = '{"full_name": "Запоздалая"}'.encode()
    address = resident.urls[gateway].removeprefix("http://").split(":")
    with closing(socket.create_connection((address[0], int(address[1])), timeout=30)) as sock:
        head = (
            "PATCH /api/v1/me HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {client.token}\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        sock.sendall(head.encode() + body[:-1])
        end_by_id(resident, session_id)
        sock.sendall(body[-1:])
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 401 "), answer
    assert resident.client.profile() == before

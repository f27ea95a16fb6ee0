"""Strangers at many addresses guess a password at once, and its owner gets in.

The gateway trusts the test as its proxy, so each attempt comes from the address that it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from deploy.demo.client import CabinetClient
from deploy.demo.journey import register, set_up_cabinet
from deploy.demo.letters import Mailbox, token_in
from deploy.demo.person import Journey, Person
from deploy.demo.report import Report
from services.identity.limits import SIGN_IN_OF_EMAIL, SIGN_IN_OF_NETWORK
from tests.browser.plain_client import PlainClient
from tests.conftest import Database
from tests.demo_installation import demo_installation
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

THREADS = 12
_ADDRESSES = count(1)


def fresh_address() -> str:
    """Return an address of a network from which nobody has come yet."""
    number = next(_ADDRESSES)
    return f"10.{number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"


@dataclass(frozen=True)
class Owner:
    """A person with a cabinet, whose first device and network are known."""

    url: str
    mailbox: Mailbox
    person: Person
    device_token: str

    def sign_in(self, password: str, **how: Any) -> requests.Response:
        """Try a password from an address."""
        body = {"email": self.person.email, "password": password}
        return attempt(self.url, body | how.get("body", {}), how.get("address", fresh_address()))

    def guess(self, _: int) -> str:
        """Guess from an address of one's own; return the code of the refusal."""
        return str(self.sign_in("not the password").json()["code"])

    def me(self, token: str) -> int:
        """Return the status that a token opens the settings with."""
        with requests.Session() as session:
            session.trust_env = False
            headers = {"Authorization": f"Bearer {token}"}
            return session.get(f"{self.url}/api/v1/me", headers=headers, timeout=30).status_code

    def letters(self, about: str) -> list[str]:
        """Return the texts of the letters about something."""
        found = self.mailbox.letters_to(self.person.email)
        return [letter.text for letter in found if about in letter.subject]


def attempt(url: str, body: dict[str, Any], address: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(
            f"{url}/api/v1/sessions", json=body, headers={"X-Forwarded-For": address}, timeout=60
        )


@pytest.fixture(scope="module")
def site(
    module_database: Database, module_bus: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Mailbox]]:
    folder = tmp_path_factory.mktemp("guessing") / "saldo"
    proxy = {"SALDO_TRUSTED_PROXY": "127.0.0.0/8"}
    with demo_installation(module_database.settings, folder, **proxy) as running:
        environment = running.environment
        yield environment["SALDO_URL"], Mailbox(Path(environment["SALDO_MAIL_DIR"]))


@pytest.fixture
def owner(site: tuple[str, Mailbox]) -> Owner:
    url, mailbox = site
    client = CabinetClient(url)
    journey = Journey(client, Report(), mailbox, [])
    register(journey)
    set_up_cabinet(journey)
    return Owner(url, mailbox, journey.person, client.device_token or "")


def test_ten_strangers_take_nothing_from_the_owner(owner: Owner) -> None:
    with ThreadPoolExecutor(THREADS) as strangers:
        assert set(strangers.map(owner.guess, range(10))) == {"wrong_credentials"}
    entered = owner.sign_in(owner.person.own_password)
    assert entered.status_code == 201
    eventually(lambda: owner.letters("с нового устройства"), "a letter tells of the new device")


def test_the_owner_gets_in_while_any_number_of_addresses_guess(owner: Owner) -> None:
    own = owner.person.own_password
    with ThreadPoolExecutor(THREADS) as strangers:
        codes = list(strangers.map(owner.guess, range(SIGN_IN_OF_EMAIL.most + THREADS)))
        assert set(codes) <= {"wrong_credentials", "sign_in_by_letter"}
        assert owner.guess(0) == "sign_in_by_letter"
        guesses = [strangers.submit(owner.guess, number) for number in range(5 * THREADS)]

        known_device = owner.sign_in(own, body={"device_token": owner.device_token})
        known_network = owner.sign_in(own, address="127.0.0.1")
        assert [known_device.status_code, known_network.status_code] == [201, 201]

        strange = owner.sign_in(own)
        assert (strange.status_code, strange.json()["code"]) == (403, "sign_in_by_letter")
        assert not all(guess.done() for guess in guesses), "nobody guessed any more"
    assert {guess.result() for guess in guesses} == {"sign_in_by_letter"}

    letter = owner.mailbox.wait(owner.person.email, "по ссылке")
    path = "/log-in/" + token_in(letter, "/log-in/")
    devices = [PlainClient(owner.url) for _ in range(4)]
    forms = [device.form(path, path) for device in devices]
    with ThreadPoolExecutor(len(devices)) as pool:
        pages = list(pool.map(lambda at: devices[at].post(path, forms[at]), range(len(devices))))
    assert sorted(page.status_code for page in pages) == [303, 422, 422, 422]
    [entered] = [at for at, page in enumerate(pages) if page.status_code == 303]
    assert owner.person.email in devices[entered].get("/settings").text


def test_neighbours_behind_one_address_are_let_in_while_another_guesses(owner: Owner) -> None:
    nat = fresh_address()
    known = owner.sign_in(owner.person.own_password, address=nat)
    assert known.status_code == 201

    def guess_anybody(number: int) -> str:
        body = {"email": f"nobody{number}@example.org", "password": "not the password"}
        return str(attempt(owner.url, body, nat).json()["code"])

    with ThreadPoolExecutor(THREADS) as strangers:
        for _ in strangers.map(guess_anybody, range(SIGN_IN_OF_NETWORK.most + THREADS)):
            pass
        assert guess_anybody(0) in {"sign_in_by_letter", "too_many_attempts"}
        again = list(
            strangers.map(
                lambda _: owner.sign_in(owner.person.own_password, address=nat),
                range(4),
            )
        )
    assert [entered.json() for entered in again if entered.status_code != 201] == []


def test_a_changed_password_ends_every_token_at_once(owner: Owner) -> None:
    client = CabinetClient(owner.url)
    client.device_token = owner.device_token
    client.sign_in(owner.person.email, owner.person.own_password)
    stolen, another = client.token or "", owner.sign_in(owner.person.own_password).json()["token"]
    client.change_password(owner.person.own_password, "совсем другая фраза 7")
    assert [owner.me(token) for token in (stolen, another, client.token or "")] == [401, 401, 200]

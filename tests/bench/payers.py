"""Payers over HTTP: order, bank page, return, and the wait for what was paid to be posted.

They use the API and the forms alone, so that installations of any commit are driven the same way.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit
from uuid import uuid4

from deploy.demo.acquirer_page import CVC, EXPIRY, PAYS, read_form
from gateway.cabinet.cookies import SESSION
from tests.bench.checkouts import House, Person

TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.05
"""How often an application asks for the state of a payment; as the demo's loop."""
PAGE_SECONDS = (0.5,) * 6 + (3.0,) * 20
"""How often the script of a payment's page asks (gateway/cabinet/static/cabinet.js)."""
LETTERS_SECONDS = 60.0
LARGEST = 200_00
ABOUT_RECEIPT = ("Квитанция", "Receipt")


class PaymentError(Exception):
    """A payment did not go as it should; the text says where."""


@dataclass(frozen=True)
class Answer:
    """A response, and where it leads to."""

    status: int
    body: bytes
    location: str


class Browser:
    """Keeps a connection to each host; not for several threads."""

    def __init__(self) -> None:
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def ask(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: str = ""
    ) -> Answer:
        """Send a request; once more where a kept connection was closed before it was sent."""
        parts = urlsplit(url)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        for attempt in (1, 2):
            connection = self._connections.get(parts.netloc)
            if connection is None:
                connection = self._connections[parts.netloc] = http.client.HTTPConnection(
                    parts.netloc, timeout=TIMEOUT_SECONDS
                )
            try:
                connection.request(method, path, body or None, dict(headers or {}))
                response = connection.getresponse()
                content = response.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                connection.close()
                if attempt == 2:
                    raise
                continue
            if response.will_close:
                connection.close()
            return Answer(response.status, content, response.headers.get("Location") or "")
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.close()


class Payer:
    """One person who pays, again and again."""

    def __init__(self, house: House, person: Person) -> None:
        self.person = person
        self._url = house.environment["SALDO_URL"]
        self._browser = Browser()
        self._api = {
            "Authorization": f"Bearer {person.token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        self._cookie = {"Cookie": f"{SESSION}={person.token}"}
        self._chance = random.Random()  # noqa: S311 - no secret
        self.asked = 0
        """How often it has asked for the state of a payment."""

    def close(self) -> None:
        """Close the connections."""
        self._browser.close()

    def pay(self) -> float:
        """Pay, and poll the API until the payment is completed; return the seconds that took."""
        began = time.perf_counter()
        payment_id, back = self._charged()
        self._come_back(back, {})
        url = f"{self._url}/api/v1/payments/{payment_id}?refresh=true"
        while True:
            answer = self._browser.ask("GET", url, self._api)
            self.asked += 1
            state = _json(answer)["state"]
            if state == "completed":
                return time.perf_counter() - began
            self._check_time(began, state)
            time.sleep(POLL_SECONDS)

    def pay_and_look(self) -> float:
        """Pay, come back, and look at the page until it says posted; return the seconds."""
        began = time.perf_counter()
        payment_id, back = self._charged()
        page = self._come_back(back, self._cookie)
        if b"data-poll" not in page.body:
            return time.perf_counter() - began
        url = f"{self._url}/payments/{payment_id}/state"
        for pause in PAGE_SECONDS:
            time.sleep(pause)
            self.asked += 1
            state = _json(self._browser.ask("GET", url, self._cookie))["state"]
            if state.startswith("completed"):
                return time.perf_counter() - began
        raise PaymentError(f"the page still says {state}")

    def _charged(self) -> tuple[str, str]:
        """Start a payment and pay it at the bank; return its id, and the way back."""
        chosen = self._chance.sample(self.person.accounts, self._chance.randint(1, 2))
        lines = [
            {"account": account, "amount": self._chance.randint(1, LARGEST), "penalty": 0}
            for account in chosen
        ]
        headers = self._api | {"Idempotency-Key": str(uuid4())}
        body = json.dumps({"lines": lines})
        started = _json(self._browser.ask("POST", f"{self._url}/api/v1/payments", headers, body))
        page_url = started["redirect_url"]
        form = read_form(self._browser.ask("GET", page_url).body.decode())
        entered = {"card_number": PAYS, "expiry": EXPIRY, "cvc": CVC}
        paid = self._browser.ask(
            "POST",
            urljoin(page_url, form.action),
            {"Content-Type": "application/x-www-form-urlencoded"},
            urlencode(form.fields | entered),
        )
        if paid.status not in {302, 303}:
            raise PaymentError(f"the bank answered {paid.status} to the card")
        return started["payment_id"], paid.location

    def _come_back(self, url: str, headers: Mapping[str, str]) -> Answer:
        answer = self._browser.ask("GET", url, headers)
        while answer.status in {302, 303}:
            url = urljoin(url, answer.location)
            answer = self._browser.ask("GET", url, headers)
        if answer.status != http.client.OK:
            raise PaymentError(f"the page to come back to answered {answer.status}")
        return answer

    def _check_time(self, began: float, state: str) -> None:
        if time.perf_counter() - began > TIMEOUT_SECONDS:
            raise PaymentError(f"not completed after {TIMEOUT_SECONDS:g} s, but {state}")


@dataclass(frozen=True)
class Round:
    """What a round took: seconds to the last letter, and of each payment; and how often asked."""

    seconds: float
    payments: list[float]
    asked: int


class Payers:
    """The payers of an installation, and the folder of their letters."""

    def __init__(self, house: House) -> None:
        self._payers = [Payer(house, person) for person in house.people]
        self._letters = Path(house.environment["SALDO_MAIL_DIR"]) / "new"

    def close(self) -> None:
        """Close all connections."""
        for payer in self._payers:
            payer.close()

    def pay_each(self, count: int, payers: int | None = None) -> Round:
        """Let payers pay so often each, at once, until the last receipt is in the mail folder."""
        chosen = self._payers[:payers]

        def often(payer: Payer) -> list[float]:
            return [payer.pay() for _ in range(count)]

        return self._round(chosen, often, letters=count * len(chosen))

    def look_each(self, count: int, pause: Callable[[], float], payers: int) -> Round:
        """Let payers pay and look at the page; each begins after a pause since it began before."""

        def often(payer: Payer) -> list[float]:
            taken, due = list[float](), time.perf_counter() + pause()
            for _ in range(count):
                time.sleep(max(0.0, due - time.perf_counter()))
                due = max(due, time.perf_counter()) + pause()
                taken.append(payer.pay_and_look())
            return taken

        chosen = self._payers[:payers]
        return self._round(chosen, often, letters=count * len(chosen))

    def _round(
        self, payers: Sequence[Payer], work: Callable[[Payer], list[float]], letters: int
    ) -> Round:
        known = {path.name for path in self._letters.iterdir()}
        asked = sum(payer.asked for payer in payers)
        start = threading.Barrier(len(payers) + 1)

        def together(payer: Payer) -> list[float]:
            start.wait()
            return work(payer)

        with ThreadPoolExecutor(len(payers)) as pool:
            turns = [pool.submit(together, payer) for payer in payers]
            start.wait()
            began = time.perf_counter()
            payments = [seconds for turn in turns for seconds in turn.result()]
            arrived = self._wait_for_letters(known, letters)
            taken = time.perf_counter() - began
        _check_receipts(arrived, letters)
        return Round(taken, payments, sum(payer.asked for payer in payers) - asked)

    def _wait_for_letters(self, known: set[str], letters: int) -> list[Path]:
        ends = time.perf_counter() + LETTERS_SECONDS
        while True:
            arrived = [path for path in self._letters.iterdir() if path.name not in known]
            if len(arrived) >= letters:
                return arrived
            if time.perf_counter() > ends:
                raise PaymentError(f"{len(arrived)} of {letters} letters have arrived")
            time.sleep(0.01)


def _check_receipts(arrived: Sequence[Path], letters: int) -> None:
    subjects = [
        str(message_from_bytes(path.read_bytes(), policy=policy.default)["Subject"])
        for path in arrived
    ]
    receipts = [one for one in subjects if any(about in one for about in ABOUT_RECEIPT)]
    if len(receipts) != letters or len(subjects) != letters:
        raise PaymentError(f"{letters} payments, {len(receipts)} receipts, {len(subjects)} letters")


def _json(answer: Answer) -> dict[str, str]:
    if answer.status not in {http.client.OK, http.client.CREATED}:
        raise PaymentError(
            f"answered {answer.status}: {answer.body[:200].decode(errors='replace')}"
        )
    found: dict[str, str] = json.loads(answer.body)
    return found

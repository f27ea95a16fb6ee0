"""The payers: they start payments over the API, and enter cards on the pages of the banks."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from deploy.demo.acquirer_page import ASKS_FOR_CODE, DECLINED, PAYS, PageError, Payer
from deploy.demo.client import CabinetClient, OutageError, PaymentLine, Problem

T = TypeVar("T")

LARGEST = 200_00
WAIT_FOR_PAGE_S = 12.0
LOOK_EVERY_S = 0.3
PATIENCE_S = 20.0

CARDS = (*[PAYS] * 6, ASKS_FOR_CODE, ASKS_FOR_CODE, DECLINED)
WAYS = (*["plain"] * 5, "same key", "two keys", "changed", "changed")
"""How a payment is started: once, at once under one key or two, or anew with other sums."""
ABANDONED, PRESSED_TWICE, COMES_BACK = 0.12, 0.1, 0.6


class Started(NamedTuple):
    """A payment that somebody has started."""

    payment_id: str
    person: int


class Tally:
    """What the payers have done so far, for the progress and for those who watch."""

    def __init__(self, orders: int) -> None:
        self.wanted = orders
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self._started: dict[str, Started] = {}
        self._lock = threading.Lock()

    def add(self, payment_id: str, person: int) -> None:
        with self._lock:
            self._started.setdefault(payment_id, Started(payment_id, person))

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def started(self) -> list[Started]:
        with self._lock:
            return list(self._started.values())

    @property
    def is_complete(self) -> bool:
        return len(self._started) >= self.wanted


class Person:
    """A payer with linked accounts; each of his requests has a connection of its own."""

    def __init__(
        self, number: int, url: str, token: str, accounts: Sequence[str], tally: Tally, seed: int
    ) -> None:
        self.number = number
        self._url = url
        self._token = token
        self._accounts = list(accounts)
        self._tally = tally
        self._random = random.Random(seed)  # noqa: S311 - no secret

    def run(self, stop: threading.Event) -> None:
        """Pay until enough was started, or stopped."""
        while not stop.is_set() and not self._tally.is_complete:
            try:
                self._turn()
            except (Problem, OutageError, PageError) as refusal:
                code = refusal.code if isinstance(refusal, Problem) else type(refusal).__name__
                self._tally.count(f"refused: {code}")
                if code == "internal_error":
                    self._tally.violations.append(f"person {self.number} was answered {refusal}")
                stop.wait(LOOK_EVERY_S)

    def _turn(self) -> None:
        started = self._start(self._lines())
        page = self._page(started)
        if page is None:
            self._tally.count("page never known")
            return
        if self._random.random() < ABANDONED:
            self._tally.count("abandoned")
            return
        card = self._random.choice(CARDS)
        presses = 2 if self._random.random() < PRESSED_TWICE else 1
        self._at_once([partial(Payer(patience=PATIENCE_S).pay, page, card) for _ in range(presses)])
        self._tally.count("declined card" if card == DECLINED else "card entered")
        if self._random.random() < COMES_BACK:
            self._client().payment(started["payment_id"], refresh=True)

    def _lines(self) -> list[PaymentLine]:
        chosen = self._random.sample(
            self._accounts, self._random.randint(1, min(2, len(self._accounts)))
        )
        return [
            PaymentLine(
                number, self._random.randint(1, LARGEST), self._random.choice((0, 0, 1, 57))
            )
            for number in chosen
        ]

    def _start(self, lines: Sequence[PaymentLine]) -> dict[str, Any]:
        way = self._random.choice(WAYS)
        acquirer = self._random.choice((None, "main", "kassa"))
        key = str(uuid4())
        post = partial(self._post, lines, acquirer)
        if way == "same key":
            answers = self._at_once([partial(post, key)] * 3)
            if len({one["payment_id"] for one in answers}) > 1:
                self._tally.violations.append(f"key {key} has made several payments")
            return answers[0]
        if way == "two keys":
            return self._at_once([partial(post, key), partial(post, str(uuid4()))])[-1]
        started = post(key)
        if way == "changed":
            other = [PaymentLine(lines[0].account, lines[0].amount + 1)]
            started = self._post(other, acquirer, str(uuid4()))
        return started

    def _post(self, lines: Sequence[PaymentLine], acquirer: str | None, key: str) -> dict[str, Any]:
        requested = [
            {"account": one.account, "amount": one.amount, "penalty": one.penalty} for one in lines
        ]
        body = {"lines": requested} | ({"acquirer": acquirer} if acquirer else {})
        answer = self._client().call("POST", "/payments", body, key=key)
        self._tally.add(answer["payment_id"], self.number)
        return answer

    def _page(self, started: dict[str, Any]) -> str | None:
        """Return the bank's page; wait a while where only ours that leads on to it is known."""
        page: str | None = started["redirect_url"]
        ends = time.monotonic() + WAIT_FOR_PAGE_S
        while page is None or page.startswith(self._url):
            if time.monotonic() > ends:
                return None
            time.sleep(LOOK_EVERY_S)
            page = self._client().payment(started["payment_id"])["redirect_url"]
        return page

    def _at_once(self, requests: Sequence[Callable[[], T]]) -> list[T]:
        """Return the answers in their order; raises what a request has raised, if all have."""
        with ThreadPoolExecutor(len(requests)) as pool:
            futures = [pool.submit(request) for request in requests]
        answers = [future.result() for future in futures if future.exception() is None]
        if not answers:
            futures[0].result()
        return answers

    def _client(self) -> CabinetClient:
        client = CabinetClient(self._url, patience=PATIENCE_S)
        client.token = self._token
        return client

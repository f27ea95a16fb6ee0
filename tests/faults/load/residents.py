"""Residents: persons with linked accounts, who pay, ask, and change what is theirs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from random import Random
from typing import Any
from uuid import uuid4

from deploy.demo.acquirer_page import ASKS_FOR_CODE, DECLINED, PAYS, Payer
from deploy.demo.client import CabinetClient, OutageError, PaymentLine, Problem
from shared.logs import get_logger
from tests.faults.load.beliefs import (
    EXPECTED,
    SERVER_FAULTS,
    UNAUTHORIZED,
    Command,
    Notebook,
)

log = get_logger(__name__)

LARGEST = 200_00
WAIT_FOR_PAGE_S = 15.0
LOOK_EVERY_S = 0.3
PATIENCE_S = (2.0, 8.0, 25.0)
TRIES, AGAIN_S = 2, 3.0
"""How often a password is tried whose change has an unknown outcome, and the pause between."""
MOST_TAKEN_BACK = 8
"""How many changes of a password restores, or bugs, take back at most."""
"""How long a request is repeated before its outcome is unknown: people differ."""
PAUSE_S = (0.1, 0.8)

CARDS = (*[PAYS] * 6, ASKS_FOR_CODE, ASKS_FOR_CODE, DECLINED)
WAYS = (*["plain"] * 5, "twice", "again", "changed", "reused")
"""How a payment is started: once, twice at once or again under one key, or anew with other sums;
`reused`: another one is asked for under its key, too, which has to be refused."""
REPEATED = 0.3
"""How many questions are sent twice under their key."""
FORBIDDEN = frozenset({403, 404, 409, 422})
ABANDONED, COMES_BACK = 0.02, 0.7


_LETTERS = "абвгдежзиклмнопрст"


def new_name(chance: Random) -> str:
    """Return a full name that nobody else has, as a rule."""
    return f"Житель {''.join(chance.choices(_LETTERS, k=10)).capitalize()}"


@dataclass
class Resident:
    """A person who is signed in."""

    who: str
    url: str
    email: str
    password: str
    token: str
    accounts: list[str]
    notebook: Notebook
    chance: Random
    questions: SimpleQueue[str] = field(default_factory=SimpleQueue)
    """Numbers of questions that wait for staff; all residents share one."""
    device_token: str | None = None
    passwords: list[str] = field(default_factory=list)
    """Those of before."""
    strangers: Sequence[str] = ()
    """Numbers of accounts; those that are not this person's are somebody else's."""
    tried: set[str] = field(default_factory=set)
    """Accounts that this person may have linked."""

    def run(self, stop: threading.Event) -> None:
        """Do one thing after another until stopped."""
        actions: dict[Callable[[], None], int] = {
            self.pay: 28,
            self.ask: 1,
            self.rename: 3,
            self.look_around: 4,
            self.pry: 2,
            self.sign_out_elsewhere: 1,
            self.change_password: 1,
        }
        self.introduce()
        while not stop.is_set():
            [action] = self.chance.choices(list(actions), list(actions.values()))
            try:
                action()
            except EXPECTED as outage:
                self.notebook.counts["gave up"] += 1
                if isinstance(outage, Problem) and outage.status == UNAUTHORIZED:
                    self.notebook.signed_out.add(self.who)
            if self.who in self.notebook.signed_out:
                self.sign_in_again()
            stop.wait(self.chance.uniform(*PAUSE_S))

    def introduce(self) -> None:
        """Write down by what a checker reads what this person is shown."""
        self.notebook.note(
            self.who,
            "person",
            email=self.email,
            password=self.password,
            token=self.token,
            device_token=self.device_token,
        )

    def client(self) -> CabinetClient:
        """Return a client with a connection of its own."""
        client = CabinetClient(self.url, patience=self.chance.choice(PATIENCE_S))
        client.token, client.device_token = self.token, self.device_token
        return client

    # Payments

    def pay(self) -> None:
        """Start a payment in one way or another, and enter a card, or not."""
        way = self.chance.choice(WAYS)
        started = self._start(self._lines(), way)
        if started is None:
            return
        if way == "changed":
            other = [PaymentLine(self.accounts[0], self.chance.randint(1, LARGEST))]
            started = self._start(other, "plain")
        page = None if started is None else self._page(started)
        if started is None or page is None or self.chance.random() < ABANDONED:
            return
        card = self.chance.choice(CARDS)
        self._enter_card(started, page, card)
        if self.chance.random() < COMES_BACK:
            self._look(started["payment_id"])

    def _lines(self) -> list[PaymentLine]:
        numbers = self.chance.sample(self.accounts, self.chance.randint(1, len(self.accounts)))
        return [
            PaymentLine(number, self.chance.randint(1, LARGEST), self.chance.choice((0, 0, 1, 57)))
            for number in numbers
        ]

    def _start(self, lines: Sequence[PaymentLine], way: str) -> dict[str, Any] | None:
        """Start a payment; None where that is refused or unknown."""
        key = str(uuid4())
        body = {
            "lines": [
                {"account": one.account, "amount": one.amount, "penalty": one.penalty}
                for one in lines
            ],
            "acquirer": self.chance.choice(("main", "kassa")),
        }
        answer: dict[str, Any] = {}
        with self.notebook.about(
            self.who,
            "payment.start",
            email=self.email,
            key=key,
            lines=[[one.account, one.amount, one.penalty] for one in lines],
            total=sum(one.total for one in lines),
        ) as command:
            times = 2 if way == "twice" else 1
            answers = self._at_once([partial(self._post, command, body, key)] * times)
            if way == "again":
                command.doubt()  # it is done, also where its repetition is refused
                answers.append(self._post(command, body, key))
            answer = answers[0]
            command.learn(payment_id=answer["payment_id"])
            if len({one["payment_id"] for one in answers}) > 1:
                self._contradiction("one key has made several payments", key=key)
        if way == "reused" and command.is_acknowledged:
            # Not within the command: it is done, whatever this is answered.
            self.reuse(key, body)
        return answer if command.is_acknowledged else None

    def _post(self, command: Command, body: dict[str, Any], key: str) -> dict[str, Any]:
        client = self.client()
        request = partial(client.call, "POST", "/payments", body, key=key)
        answer: dict[str, Any] = command.call(client, request, keyed=True)
        return answer

    def reuse(self, key: str, body: Mapping[str, Any]) -> None:
        """Ask for another payment under a key that has served; it has to be refused."""
        lines = [{**one, "amount": one["amount"] + 1} for one in body["lines"]]
        with suppress(OutageError):
            try:
                self.client().call("POST", "/payments", {**body, "lines": lines}, key=key)
            except Problem as refusal:
                if refusal.status in FORBIDDEN or refusal.status >= SERVER_FAULTS:
                    return
                raise
            self._contradiction("a key has served another request", key=key)

    def _page(self, started: dict[str, Any]) -> str | None:
        """Return the bank's page; wait a while where only ours that leads on to it is known."""
        page: str | None = started["redirect_url"]
        ends = time.monotonic() + WAIT_FOR_PAGE_S
        while page is None or page.startswith(self.url):
            if time.monotonic() > ends:
                return None
            time.sleep(LOOK_EVERY_S)
            page = self.client().payment(started["payment_id"])["redirect_url"]
        return page

    def _enter_card(self, started: dict[str, Any], page: str, card: str) -> None:
        about = {"payment_id": started["payment_id"], "total": started["total"]}
        with self.notebook.about(self.who, "payment.card", **about) as command:
            payer = Payer(patience=self.chance.choice(PATIENCE_S))
            back = payer.pay(page, card)
            # The page of an order that is closed already leads back at once.
            command.learn(charged="yes" if payer.entered and card != DECLINED else "no")
            if self.chance.random() < COMES_BACK:
                payer.come_back(back)

    def _look(self, payment_id: str) -> None:
        seen = self.client().payment(payment_id, refresh=True)
        self.notebook.note(
            self.who,
            "payment.seen",
            payment_id=payment_id,
            state=seen["state"],
            refunded=seen["refunded"],
        )

    # The help desk and the settings

    def ask(self) -> None:
        """Ask a question that staff answer later."""
        client, text = self.client(), f"Вопрос {uuid4()}"
        account = self.chance.choice(self.accounts)
        body = {"topic": "charges", "text": text, "account": account, "attachments": []}
        key = str(uuid4())
        with self.notebook.about(
            self.who, "question.ask", email=self.email, text=text, key=key
        ) as command:
            request = partial(client.call, "POST", "/questions", body, key=key)
            answer = command.call(client, request, keyed=True)
            command.learn(question_id=answer["question_id"], number=answer["number"])
            if self.chance.random() < REPEATED:
                command.doubt()  # it is asked, also where its repetition is refused
                again = command.call(client, request, keyed=True)
                if again["question_id"] != answer["question_id"]:
                    self._contradiction("one key has made two questions", key=key)
        if command.is_acknowledged:
            self.questions.put(answer["question_id"])

    def rename(self) -> None:
        """Change the name in the settings; one name is as good as another."""
        client, name = self.client(), new_name(self.chance)
        with self.notebook.about(
            self.who, "profile.change", email=self.email, full_name=name
        ) as command:
            request = partial(client.update_profile, full_name=name)
            command.call(client, request, keyed=True)

    def look_around(self) -> None:
        """Look at balances and payments, as whoever opens the cabinet does."""
        client = self.client()
        client.balance(self.chance.choice(self.accounts))
        client.due()
        client.history()

    def pry(self) -> None:
        """Ask for the balance of somebody else's account, and try to pay for it."""
        others = [one for one in self.strangers if one not in self.tried]
        if not others:
            return
        number, client = self.chance.choice(others), self.client()
        line = {"account": number, "amount": 100, "penalty": 0}
        for method, path, body in (
            ("GET", f"/accounts/{number}/balance", None),
            ("POST", "/payments", {"lines": [line]}),
        ):
            try:
                client.call(method, path, body, key=str(uuid4()) if body else None)
            except Problem as refusal:
                if refusal.status not in FORBIDDEN and refusal.status < SERVER_FAULTS:
                    raise
            else:
                self._contradiction("somebody else's account is open", path=path, number=number)

    def sign_out_elsewhere(self) -> None:
        """Sign in a second time, and end that session."""
        client = self.client()
        session = self._open_another(client)
        if session is None:
            return
        with self.notebook.about(
            self.who, "session.end", email=self.email, token=session["token"]
        ) as ending:
            path = f"/sessions/{session['session_id']}"
            ending.call(client, partial(client.call, "DELETE", path), keyed=False)

    def _open_another(self, client: CabinetClient) -> dict[str, Any] | None:
        """Open a second session by a client; None where it is not sure that there is one."""
        client.token = None
        session: dict[str, Any] = {}
        with self.notebook.about(self.who, "session.open", email=self.email) as opening:
            request = partial(client.sign_in, self.email, self.password)
            session = opening.call(client, request, keyed=False)
            opening.learn(token=session["token"])
        return session if opening.is_acknowledged else None

    def change_password(self) -> None:
        """Change the password, which ends a session that is open elsewhere.

        Where the outcome is unknown, find out by signing in.
        """
        self._open_another(self.client())
        client, new = self.client(), f"own {uuid4()}"
        with self.notebook.about(
            self.who, "password.change", email=self.email, old=self.password, new=new
        ) as command:
            request = partial(client.change_password, self.password, new)
            command.call(client, request, keyed=False)
        if command.is_acknowledged:
            self.passwords.insert(0, self.password)
            self.password, self.token = new, client.token or ""
        else:
            self._find_password((new, self.password))
        self.introduce()

    def sign_in_again(self) -> None:
        """Sign in by the password that holds: a restore, or a bug, may have taken the last back."""
        last = (self.password, *self.passwords[:MOST_TAKEN_BACK])
        self._find_password(tuple(dict.fromkeys(last)))
        self.introduce()
        self.notebook.signed_out.discard(self.who)

    def _find_password(self, candidates: Sequence[str]) -> None:
        """Sign in by the one of some passwords that holds.

        A change that is under way may end between two tries, so each is tried twice. Whoever tries
        wrong ones has to wait at last: nothing is known of a password that was refused for that.
        """
        ends = time.monotonic() + 4 * PATIENCE_S[-1]
        wrong = Counter[str]()
        while time.monotonic() < ends:
            for password in candidates:
                if wrong[password] == TRIES:
                    continue
                client = self.client()
                client.token = None
                try:
                    session = client.sign_in(self.email, password)
                except Problem as refusal:
                    wrong[password] += refusal.code == "wrong_credentials"
                except OutageError as outage:
                    log.info("no_answer", about=str(outage))
                else:
                    self.password, self.token = password, session["token"]
                    return
            if all(wrong[password] == TRIES for password in candidates):
                self._contradiction("neither the old nor the new password holds", email=self.email)
                return
            time.sleep(AGAIN_S)

    def _contradiction(self, says: str, **data: Any) -> None:
        self.notebook.note(self.who, "contradiction", says=says, **data)

    def _at_once(self, requests: Sequence[Callable[[], dict[str, Any]]]) -> list[dict[str, Any]]:
        """Return the answers; raises what a request has raised, if all have."""
        if len(requests) == 1:
            return [requests[0]()]
        with ThreadPoolExecutor(len(requests)) as pool:
            futures = [pool.submit(request) for request in requests]
        answers = [future.result() for future in futures if future.exception() is None]
        return answers or [futures[0].result()]

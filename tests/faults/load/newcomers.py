"""Newcomers: persons who register, set up their cabinet and link accounts."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from random import Random
from uuid import uuid4

from deploy.demo.client import CabinetClient
from deploy.demo.company import DemoAccount
from deploy.demo.letters import (
    ABOUT_CODE,
    ABOUT_PASSWORD,
    LetterError,
    Mailbox,
    code_in,
    password_in,
)
from tests.faults.load.beliefs import EXPECTED, Command, Notebook
from tests.faults.load.residents import PATIENCE_S, Resident

PATIENCE = PATIENCE_S[-1]
LETTER_S = 90.0
EVERY_S = (4.0, 12.0)
UNLINKS = 0.2
TRIES = 3
"""How many persons come at most until one of them has settled."""


class GaveUpError(Exception):
    """A newcomer got no further: an outage was longer than all patience."""


@dataclass
class Settlers:
    """Where newcomers come from."""

    url: str
    mail_dir: Path
    candidates: Sequence[DemoAccount]
    notebook: Notebook
    questions: SimpleQueue[str]

    def run(self, stop: threading.Event, chance: Random) -> None:
        """Settle one after another until stopped; each does a few things and leaves."""
        number = 0
        while not stop.is_set():
            number += 1
            try:
                leaves = chance.random() < UNLINKS  # one of two: the last one has to stay
                person = self.settle(f"newcomer {number}", chance, accounts=1 + leaves)
                if leaves:
                    self._unlink(person)
                else:
                    person.pay()
                    person.ask()
            except (*EXPECTED, LetterError, GaveUpError):
                self.notebook.counts["newcomer gave up"] += 1
            stop.wait(chance.uniform(*EVERY_S))

    def settle_at_last(self, who: str, chance: Random, *, accounts: int) -> Resident:
        """Return a new person, as `settle`; raises GaveUpError where one after another gives up.

        On a busy machine that happens without any trouble: whoever was not answered does not know
        which password holds, and leaves.
        """
        for _ in range(TRIES - 1):
            with suppress(GaveUpError):
                return self.settle(who, chance, accounts=accounts)
        return self.settle(who, chance, accounts=accounts)

    def settle(self, who: str, chance: Random, *, accounts: int) -> Resident:
        """Return a new person with linked accounts; raises GaveUpError or LetterError."""
        client, mailbox = CabinetClient(self.url, patience=PATIENCE), Mailbox(self.mail_dir)
        email = f"{who.replace(' ', '-')}-{secrets.token_hex(6)}@faults.saldo.invalid"
        temporary = self._register(who, client, mailbox, email)
        with self._step(who, "session.open", email=email) as command:
            request = partial(client.sign_in, email, temporary)
            session = command.call(client, request, keyed=False)
            command.learn(token=session["token"], temporary=True)
        self._require(command)
        password = f"own {uuid4()}"
        with self._step(
            who, "password.change", email=email, old=temporary, new=password
        ) as command:
            command.call(client, partial(client.change_password, temporary, password), keyed=False)
        self._require(command)
        person = Resident(
            who, self.url, email, password, client.token or "", [], self.notebook, chance,
            self.questions, client.device_token,
            strangers=[account.number for account in self.candidates],
        )  # fmt: skip
        person.introduce()
        for account in chance.sample(list(self.candidates), len(self.candidates)):
            if len(person.accounts) == accounts:
                break
            self._link(person, client, account)
        if not person.accounts:
            raise GaveUpError("no account could be linked")
        return person

    def _register(self, who: str, client: CabinetClient, mailbox: Mailbox, email: str) -> str:
        """Register, and return the temporary password."""
        key = str(uuid4())
        body = {"person_type": "individual", "email": email}
        with self._step(who, "registration.start", email=email) as command:
            request: Callable[[], dict[str, object]] = partial(
                client.call, "POST", "/registrations", body, key=key
            )
            registration_id = command.call(client, request, keyed=True)["registration_id"]
            command.learn(registration_id=registration_id)
        self._require(command)
        code = code_in(mailbox.wait(email, ABOUT_CODE, seconds=LETTER_S))
        ticked = {"code": code, "accept_rules": True, "consent_personal_data": True}
        with self._step(
            who, "registration.confirm", email=email, registration_id=registration_id
        ) as command:
            path = f"/registrations/{registration_id}/confirm"
            request = partial(client.call, "POST", path, ticked, key=str(uuid4()))
            command.call(client, request, keyed=True)
        self._require(command)
        return password_in(mailbox.wait(email, ABOUT_PASSWORD, seconds=LETTER_S))

    def _link(self, person: Resident, client: CabinetClient, account: DemoAccount) -> None:
        person.tried.add(account.number)
        body = {"number": account.number, "proof": account.proof}
        with self._step(person.who, "link", email=person.email, number=account.number) as command:
            request = partial(client.call, "POST", "/accounts", body, key=str(uuid4()))
            command.call(client, request, keyed=True)
        if command.is_acknowledged:
            person.accounts.append(account.number)

    def _unlink(self, person: Resident) -> None:
        client, number = person.client(), person.accounts[0]
        with self._step(person.who, "unlink", email=person.email, number=number) as command:
            command.call(client, partial(client.call, "DELETE", f"/accounts/{number}"), keyed=False)

    def _step(self, who: str, what: str, **data: object) -> Command:
        return self.notebook.about(who, what, **data)

    def _require(self, command: Command) -> None:
        if not command.is_acknowledged:
            raise GaveUpError(command.code)

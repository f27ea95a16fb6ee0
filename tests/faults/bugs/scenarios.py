"""Short loads, each of which brings out some bug: a payment, a question, a correction, ..."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from random import Random
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import psycopg
import requests

from deploy.demo.acquirer_page import PAYS, Payer
from deploy.demo.charges import Bill, all_bills
from deploy.demo.company import demo_accounts, households
from shared.money import Kopecks
from shared.rpc.client import RpcClient
from tests.faults.checker.postings import banks_of
from tests.faults.checker.unresolved import UNDECIDED
from tests.faults.house import RunningHouse
from tests.faults.injectors.messages import EPOCH_HEADER, all_of, impersonator, moved, put
from tests.faults.load.beliefs import EXPECTED, Notebook
from tests.faults.load.newcomers import Settlers
from tests.faults.load.residents import Resident
from tests.faults.load.staff import Clerk, settings_in
from tests.waiting import eventually

PATIENCE_S = 10.0
FOLLOW_S = 4.0
FREE_S = 60.0
"""Within so long some account is free again, if payments of earlier scenarios hold all."""
LOOK_EVERY_S = 0.1
"""A person's patience, below the limit of requests."""
DECIDED = frozenset({"completed", "failed", "expired", "refunded", "partly_refunded"})
ACCOUNTS_OF_ONE = 7

_HELD = """
SELECT DISTINCT account FROM payments.payment_lines JOIN payments.payments USING (payment_id)
 WHERE state = ANY (%s)
"""
_LEDGER_HAS_READ = """
SELECT position FROM ledger.positions
 WHERE upstream = 'payments' AND position = (SELECT published FROM payments.relay)
   AND NOT EXISTS (SELECT FROM payments.payments WHERE payment_id = %s AND state = 'captured')
   AND NOT EXISTS (SELECT FROM payments.events, payments.relay
                    WHERE notification_id > relay.position)
"""
"""And the payment has got its last event, which is published, too: the next one that is published
would take the place of the ghost."""
_IN_ARREARS = """
SELECT number FROM ledger.balances
 WHERE number = ANY (%s) AND penalty > 0 AND principal > 100000 ORDER BY penalty DESC
"""


@dataclass
class Stage:
    """Where the scenarios play: residents with accounts that nobody else uses, and a clerk."""

    house: RunningHouse
    residents: Sequence[Resident]
    clerk: Clerk
    notebook: Notebook
    _turn: int = 0
    _paid: int = 0
    _overdue: set[str] = field(default_factory=set)

    @classmethod
    def set(cls, house: RunningHouse, folder: Path, people: int = 4) -> Stage:
        """Settle residents, each with accounts of his own."""
        environment = house.environment
        notebook = Notebook(folder / "beliefs.jsonl")
        questions: SimpleQueue[str] = SimpleQueue()
        accounts = households(demo_accounts())
        state = Path(environment["SALDO_STATE_DIR"])
        residents = []
        for number in range(people):
            own = accounts[number * ACCOUNTS_OF_ONE : (number + 1) * ACCOUNTS_OF_ONE]
            settlers = Settlers(
                environment["SALDO_URL"],
                Path(environment["SALDO_MAIL_DIR"]),
                own,
                notebook,
                questions,
            )
            chance = Random(number)  # noqa: S311 - no secret
            who = f"resident {number + 1}"
            residents.append(settlers.settle_at_last(who, chance, accounts=len(own)))
        bills = [bill for bill in all_bills(accounts) if bill.lines]
        clerk = Clerk(settings_in(state / "staff" / "clerk.env"), bills, questions, notebook)
        return cls(house, residents, clerk, notebook)

    @property
    def environment(self) -> Mapping[str, str]:
        return self.house.environment

    def next_resident(self) -> Resident:
        """Return the residents in turn, so that one bug does not trip over another's traces."""
        self._turn += 1
        return self.residents[self._turn % len(self.residents)]

    def next_account(self) -> tuple[Resident, str]:
        """Return the next account that is free, and its owner."""
        owned = [
            (person, number)
            for number_of in range(ACCOUNTS_OF_ONE)
            for person in self.residents
            for number in person.accounts[number_of : number_of + 1]
        ]
        self._paid += 1
        turn = self._paid % len(owned)
        in_turn = (*owned[turn:], *owned[:turn])

        def free() -> list[tuple[Resident, str]]:
            held = self.held_accounts()
            return [one for one in in_turn if one[1] not in held]

        return eventually(free, "an account is free", FREE_S)[0]

    def next_in_arrears(self) -> tuple[Resident, str]:
        """Return the free account that owes the largest penalty, each one once, and its owner."""
        owners = {number: person for person in self.residents for number in person.accounts}

        def free() -> list[str]:
            left = owners.keys() - self._overdue - self.held_accounts()
            with psycopg.connect(self.environment["SALDO_DATABASE_URL"]) as database:
                rows = database.execute(_IN_ARREARS, (list(left),)).fetchall()
            return [number for (number,) in rows]

        number = eventually(free, "an account that owes a penalty is free", FREE_S)[0]
        self._overdue.add(number)
        return owners[number], number

    def sign_in_again(self) -> None:
        """Let everybody sign in by the password that holds, whatever a bug has made of it."""
        for person in self.residents:
            person.sign_in_again()

    def held_accounts(self) -> set[str]:
        """Return the accounts with an undecided payment: no other sum is taken for them.

        A bug may leave it so for ever.
        """
        with psycopg.connect(self.environment["SALDO_DATABASE_URL"]) as database:
            rows = database.execute(_HELD, (list(UNDECIDED),)).fetchall()
        return {account for (account,) in rows}

    def next_bill(self) -> Bill:
        self._turn += 1
        return self.clerk.bills[self._turn * 7 % len(self.clerk.bills)]


def pay(stage: Stage) -> str:
    """Pay an account by card; return the payment, once it is decided or time is up."""
    person, account = stage.next_account()
    return _pay(stage, person, {account: 100_00 + stage._paid})


def _pay(
    stage: Stage,
    person: Resident,
    lines: Mapping[str, Kopecks],
    penalties: Mapping[str, Kopecks] = MappingProxyType({}),
) -> str:
    total = sum(lines.values()) + sum(penalties.values())
    payment, page = _start(stage, person, lines, "main", penalties=penalties)
    about = {"payment_id": payment, "total": total}
    with stage.notebook.about(person.who, "payment.card", **about) as entered:
        Payer(patience=PATIENCE_S).pay(page, PAYS)
        entered.learn(charged="yes")
    ends = time.monotonic() + FOLLOW_S
    with suppress(*EXPECTED):
        while person.client().payment(payment, refresh=True)["state"] not in DECIDED:
            if time.monotonic() > ends:
                break
            time.sleep(LOOK_EVERY_S)
    return payment


def _start(
    stage: Stage,
    person: Resident,
    lines: Mapping[str, Kopecks],
    acquirer: str,
    key: str = "",
    penalties: Mapping[str, Kopecks] = MappingProxyType({}),
) -> tuple[str, str]:
    """Start a payment; return it, and the bank's page."""
    client, key = person.client(), key or str(uuid4())
    client.patience = PATIENCE_S
    started: dict[str, Any] = {}
    split = [[account, sum_, penalties.get(account, 0)] for account, sum_ in lines.items()]
    total = sum(lines.values()) + sum(penalties.values())
    about = {"email": person.email, "key": key, "lines": split, "total": total}
    with stage.notebook.about(person.who, "payment.start", **about) as command:
        asked = [
            {"account": account, "amount": amount, "penalty": penalty}
            for account, amount, penalty in split
        ]
        body = {"lines": asked, "acquirer": acquirer}
        request = partial(client.call, "POST", "/payments", body, key=key)
        started = command.call(client, request, keyed=True)
        command.learn(payment_id=started["payment_id"])
    assert command.is_acknowledged, f"the payment is not started: {command.code}"
    return str(started["payment_id"]), str(started["redirect_url"])


def pay_twice(stage: Stage) -> None:
    """Pay, and pay again."""
    pay(stage)
    pay(stage)


def pay_and_seal(stage: Stage) -> None:
    """Pay twice, and have the log sealed up to now."""
    pay(stage)
    pay(stage)
    with psycopg.connect(stage.environment["SALDO_DATABASE_URL"]) as database:
        database.execute("NOTIFY ledger_seal")


def pay_in_arrears(stage: Stage) -> None:
    """Pay a part of what is owed on an account that owes a penalty, too."""
    owner, number = stage.next_in_arrears()
    stage._paid += 1
    _pay(stage, owner, {number: 500_00 + stage._paid})


def pay_off(stage: Stage) -> None:
    """Pay all that is owed on an account, the penalty of today as well."""
    owner, number = stage.next_in_arrears()
    due = next(line for line in owner.client().due() if line.account == number)
    _pay(stage, owner, {number: due.amount}, {number: due.penalty})


def ask(stage: Stage) -> None:
    """Ask a question."""
    stage.next_resident().ask()


def ask_twice(stage: Stage) -> None:
    """Ask a question, and repeat the request under the same key."""
    person = stage.next_resident()
    client, text, key = person.client(), f"Вопрос {uuid4()}", str(uuid4())
    body = {"topic": "charges", "text": text, "account": person.accounts[0], "attachments": []}
    with stage.notebook.about(
        person.who, "question.ask", email=person.email, text=text, key=key
    ) as command:
        request = partial(client.call, "POST", "/questions", body, key=key)
        answers = [command.call(client, request, keyed=True) for _ in range(2)]
        command.learn(question_id=answers[0]["question_id"])


def ask_and_answer(stage: Stage) -> None:
    """Ask a question, which the clerk answers."""
    ask(stage)
    _answer(stage)


def _answer(stage: Stage) -> None:
    question_id = stage.clerk.questions.get(timeout=PATIENCE_S)
    with closing(RpcClient(stage.clerk.settings["SALDO_AMQP_URL"], name="clerk")) as client:
        stage.clerk.answer_one(client, question_id)


def adjust(stage: Stage) -> None:
    """Correct a line of a bill."""
    with closing(RpcClient(stage.clerk.settings["SALDO_AMQP_URL"], name="clerk")) as client:
        stage.clerk.correct_one(client, stage.next_bill(), 0, 12_34 + stage._turn)


def refund(stage: Stage) -> None:
    """Pay, and let the bank give a part of it back at its own desk."""
    _give_back(stage, pay(stage), 10_00)


def pay_for_two(stage: Stage) -> str:
    """Pay two accounts, each another sum, by one payment."""
    person, account = stage.next_account()
    held = stage.held_accounts()
    other = next(one for one in person.accounts if one != account and one not in held)
    return _pay(stage, person, {account: 90_00 + stage._paid, other: 60_00 + stage._paid})


def refund_two(stage: Stage) -> None:
    """Pay two accounts, and let the bank give back most of it."""
    _give_back(stage, pay_for_two(stage), 120_00)


def look_and_pay(stage: Stage) -> None:
    """Look at the balances of everybody, and pay."""
    for person in stage.residents:
        for number in person.accounts:
            person.client().balance(number)
    pay(stage)


def reuse_a_key(stage: Stage) -> None:
    """Start a payment, and ask for another one under the same key, which has to be refused."""
    person, account = stage.next_account()
    lines = {account: 55_00 + stage._paid}
    key = str(uuid4())
    _start(stage, person, lines, "main", key)
    person.reuse(key, {"lines": [{"account": account, "amount": lines[account], "penalty": 0}]})


def ask_by_two(stage: Stage) -> None:
    """Ask a question each, one person after the other, and change a password each."""
    for _ in range(2):
        person = stage.next_resident()
        person.ask()
        person.change_password()


def _give_back(stage: Stage, payment: str, amount: Kopecks) -> None:
    bank = banks_of(stage.environment)[0]
    with psycopg.connect(stage.environment["SALDO_DATABASE_URL"]) as database:
        row = database.execute(
            "SELECT order_number FROM payments.orders WHERE payment_id = %s", (payment,)
        ).fetchone()
    assert row is not None
    assert bank.give_back(bank.orders()[row[0]], amount)


def forge_a_callback(stage: Stage) -> None:
    """Start a payment, and call back as the bank would before any card was entered."""
    person, number = stage.next_account()
    payment, _ = _start(stage, person, {number: 77_00 + stage._paid}, "kassa")
    with psycopg.connect(stage.environment["SALDO_DATABASE_URL"]) as database:
        row = database.execute(
            "SELECT order_id FROM payments.orders WHERE payment_id = %s", (payment,)
        ).fetchone()
    assert row is not None
    # This bank signs nothing: anybody in its network can call.
    requests.post(
        f"{stage.environment['SALDO_URL']}/api/v1/acquirer/kassa/callback",
        json={"type": "notification", "event": "payment.succeeded", "object": {"id": row[0]}},
        timeout=PATIENCE_S,
    )


def sign_out(stage: Stage) -> None:
    """Sign in a second time, and end that session."""
    stage.next_resident().sign_out_elsewhere()


def change_password(stage: Stage) -> None:
    """Change a password."""
    stage.next_resident().change_password()


def link_without_proof(stage: Stage) -> None:
    """Try to link somebody else's account by a made-up proof."""
    person = stage.next_resident()
    other = next(one for one in stage.residents if one is not person).accounts[0]
    client = person.client()
    with stage.notebook.about(
        person.who, "link", email=person.email, number=other, forbidden=True
    ) as command:
        body = {"number": other, "proof": "00000000"}
        request = partial(client.call, "POST", "/accounts", body, key=str(uuid4()))
        command.call(client, request, keyed=True)


def fork_a_reader(stage: Stage) -> None:
    """Put a reader where it is after its upstream has lost a tail: in an epoch of no log.

    A tail that is really lost would have findings of I6 from every subscriber, and the checker
    could be blind to our own reader unnoticed.
    """
    with psycopg.connect(stage.environment["SALDO_DATABASE_URL"]) as database:
        database.execute(
            "UPDATE helpdesk.positions SET epoch = '7.deadbeef' WHERE upstream = 'accounts'"
        )


def send_a_ghost(stage: Stage) -> None:
    """Pay; then have the ledger get a payment of an epoch that the log of payments never had."""
    payment = pay(stage)
    with psycopg.connect(stage.environment["SALDO_DATABASE_URL"], autocommit=True) as database:

        def read() -> int:
            row = database.execute(_LEDGER_HAS_READ, (payment,)).fetchone()
            return 0 if row is None else int(row[0])

        position = eventually(read, "the ledger has read all of payments", FREE_S)
    with impersonator(stage.house) as channel:
        last = all_of(channel, "payments", "payment_captured")[-1]
        real = json.loads(last.body)["payment_id"]
        body = last.body.replace(real.encode(), str(uuid4()).encode())
        ghost = moved(last, position + 1, predecessor=position, body=body)
        put(channel, "ledger", "payments", ghost.with_headers(**{EPOCH_HEADER: "7.0badcafe"}))
    stage.notebook.note("stage", "quarantine", reasons=["unknown_epoch"])


def change_an_event(stage: Stage) -> None:
    """Change an event that is sealed, with the rights of the database's owner."""
    with psycopg.connect(stage.environment["SALDO_DATABASE_URL"]) as database:
        database.execute("ALTER TABLE ledger.events DISABLE TRIGGER events_append_only")
        database.execute(
            "UPDATE ledger.events SET actor = 'service:nobody' WHERE notification_id = 7"
        )
        database.execute("ALTER TABLE ledger.events ENABLE TRIGGER events_append_only")


Scenario = Callable[[Stage], object]

SCENARIOS: Mapping[str, Scenario] = {
    function.__name__: function
    for function in (
        pay, pay_twice, pay_and_seal, pay_in_arrears, pay_off, ask, ask_twice, ask_and_answer,
        adjust, refund, pay_for_two, refund_two, look_and_pay, reuse_a_key, ask_by_two,
        forge_a_callback, sign_out, change_password, link_without_proof,
        send_a_ghost, fork_a_reader, change_an_event,
    )
}  # fmt: skip

HARMFUL = frozenset({"fork_a_reader", "change_an_event"})
HARMLESS = tuple(name for name in SCENARIOS if name not in HARMFUL)
"""Those that leave nothing broken where no bug is on."""

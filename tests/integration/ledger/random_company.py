"""A random company that is recorded in a real PostgreSQL, through the paths of the product."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from services.ledger.application import (
    PaidLine,
    PostPayment,
    RefundedLine,
    RefundPayment,
    post_payment,
    refund_payment,
)
from services.ledger.corrections import Correct, correct
from services.ledger.domain import account_id
from services.ledger.domain.proposal import MovePayment, ReversePayment, WriteOffPenalty
from services.ledger.group_commit import ledger_group_commit
from services.ledger.limits import CORRECTING
from services.ledger.loading import load_account
from services.ledger.penalties.accrual_run import accrue_all
from services.ledger.reports.balances import balance
from services.ledger.tenures import OpenTenure, open_tenure
from shared import context
from shared.account_key import key_of
from shared.errors import Conflict
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.ledger_oracle.companies import an_order, random_company
from tests.ledger_oracle.facts import Fact, facts_of
from tests.ledger_oracle.oracle import State, states_of
from tests.ledger_oracle.recording import LAW, Recorder
from tests.staff_terminal import grant

LAST = date(2026, 10, 31)
"""A day after all facts but corrections, which may take effect on the present day."""
CLERK = "petrov"


class Entry(msgspec.Struct, frozen=True):
    """An entry about an account."""

    number: str
    fact: Fact


class StoredAccount(Recorder):
    """Records to an account of a session."""

    def __init__(self, session: Session, number: str) -> None:
        super().__init__(number)
        self.account = load_account(session, number)

    def _keep(self) -> None:
        """Leave the events to the session."""


def record(session: Session, entry: Entry) -> None:
    StoredAccount(session, entry.number).record(entry.fact)


class Company:
    """A random company, and the store that it is recorded in."""

    def __init__(self, database: Database, seed: int, size: int) -> None:
        self.store: PostgresStore = database.store("ledger", pool_size=4)
        for permission in CORRECTING:
            grant(database.settings, "ledger", CLERK, permission, None)
        self.group = ledger_group_commit(self.store)
        self.entries = random_company(seed, size)
        self.today = self.store.clock.today()
        self._chance = random.Random(f"recording {seed}")  # noqa: S311 - reproducible

    def in_an_order(self) -> Iterator[Entry]:
        """Yield all entries, those of each account in an order in which they may be recorded."""
        orders = {n: an_order(entries, self._chance) for n, entries in self.entries.items()}
        while orders:
            number = self._chance.choice(sorted(orders))
            yield Entry(number, orders[number].pop(0))
            if not orders[number]:
                del orders[number]

    def record(self, entry: Entry) -> None:
        """Record an entry as the product does."""
        number, fact = entry.number, entry.fact
        with context.bind(command_id=uuid4(), actor=f"staff:{CLERK}"):
            match fact.what:
                case "pay":
                    line = PaidLine(
                        account=number,
                        amount=fact.amount,
                        penalty=fact.penalty,
                        period=fact.period or None,
                    )
                    paid = PostPayment(payment_id=UUID(fact.name), paid_on=fact.day, lines=(line,))
                    self.group.execute(post_payment, paid)
                case "reverse" if fact.to and self.balance_now(fact.to):
                    self._move(number, fact)
                case "reverse":
                    self._correct(
                        ReversePayment(
                            payment_id=UUID(fact.name), accounts=(number,), effective_on=fact.day
                        )
                    )
                case "refund":
                    self._refund(number, fact)
                case "write_off":
                    self._write_off(number, fact)
                case _:
                    self.store.execute(record, entry)

    def change_holders(self) -> None:
        """Give every third number a second holder, from a day of the last year on."""
        for number in sorted(self.entries)[::3]:
            since = LAST - timedelta(self._chance.randint(1, 300))
            command = OpenTenure(number=number, tenure=2, since=since, payer_kind="household")
            with context.bind(command_id=uuid4(), actor="service:accounts"):
                self.store.transact(open_tenure, command)
            self.entries[key_of(number, 2)] = []

    def accrue_all(self, on: date) -> None:
        accrue_all(self.store, on, LAW.rules, "staff:test", workers=1)

    def facts(self, number: str) -> list[Fact]:
        """Return the facts of an account as they are in the log."""
        history = self.store.query(lambda session: session.history(account_id(number)))
        return facts_of(recorded.event for recorded in history)

    def state(self, number: str, on: date) -> State:
        """Return what the oracle says of an account by the end of a day."""
        return states_of(self.facts(number), [on])[on]

    def balance(self, number: str, on: date) -> dict[str, Any]:
        """Return the balance of an account as of a day."""
        return self.store.query(lambda session: balance(session, number, on.isoformat()))

    def balance_now(self, number: str) -> dict[str, Any]:
        """Return the row of an account in the read model."""
        return self.store.query(lambda session: session.read.balance(number))

    def _move(self, number: str, fact: Fact) -> None:
        move = MovePayment(
            payment_id=UUID(fact.name), account=number, to_account=fact.to, effective_on=fact.day
        )
        with _unless("nothing_left"):
            self._correct(move)

    def _refund(self, number: str, fact: Fact) -> None:
        refund = RefundPayment(
            payment_id=UUID(fact.payment),
            refund_id=UUID(fact.name),
            refunded_on=fact.day,
            lines=(RefundedLine(account=number, amount=fact.amount),),
        )
        with _unless("refund_too_large"):
            self.store.execute(refund_payment, refund)

    def _write_off(self, number: str, fact: Fact) -> None:
        correction = WriteOffPenalty(account=number, amount=fact.amount, effective_on=fact.day)
        with _unless("penalty_not_owed"):
            self._correct(correction)

    def _correct(self, correction: Any) -> None:
        command = Correct(correction_id=uuid4(), correction=correction, reason="an act")
        assert self.store.execute(correct, command)["state"] in ("done", "unchanged")


@contextmanager
def _unless(code: str) -> Iterator[None]:
    """Go on where there is not so much of it: that is refused, as it should be."""
    try:
        yield
    except Conflict as refused:
        if refused.code != code:
            raise

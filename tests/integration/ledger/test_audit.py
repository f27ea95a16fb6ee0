"""Rule five: every balance can be rebuilt, by two implementations that share no code.

Two hundred accounts get random events of every kind, with random days of effect; then the replay in
Python, the aggregation in SQL and the read model must agree on each.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from services.ledger.domain import Account, account_id
from services.ledger.domain.allocation import DEFAULT_POLICY, Policy
from services.ledger.domain.events import (
    ACCOUNT_EVENTS,
    AdvanceSettled,
    ChargeLine,
    ServiceAmount,
)
from services.ledger.loading import load_account
from services.ledger.replay.audit import audit
from services.ledger.replay.sql_balances import aggregate
from services.ledger.reports.balances import balance
from shared import context
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.postgres_session import PostgresSession
from tests.conftest import Database
from tests.unit.ledger.penalty_corrections import correct_penalty

pytestmark = pytest.mark.nodes

NUMBERS = [f"0100000{n:03}" for n in range(1, 201)]
SERVICES = ("heating", "lift", "waste", "water")
FIRST_DAY = date(2026, 1, 1)
POLICIES = (
    DEFAULT_POLICY,
    Policy(name="newest", periods="newest_first"),
    Policy(name="ranked", services="ranked", ranking=("water", "lift")),
)


@dataclass
class RandomHistory:
    """One account and the random generator of its events."""

    account: Account
    chance: random.Random

    def play(self, number: str, steps: int) -> None:
        opening = self.sums(-90_000, 90_000) if self.chance.random() < 0.5 else ()
        self.account.open(number, "household", self.day, opening)
        for month in range(1, self.chance.randint(2, 9)):
            self.bill(f"2026-{month:02}")
        actions = [self.pay, self.pay, self.adjust, self.reverse, self.accrue, self.correct]
        actions += [self.write_off, self.take_over, self.change_kind, self.settle, self.refund]
        for _ in range(steps):
            self.chance.choice(actions)()
        self.bill("2026-12")
        if self.chance.random() < 0.3:
            self.account.close(self.day)

    @property
    def day(self) -> date:
        return FIRST_DAY + timedelta(days=self.chance.randint(0, 400))

    @property
    def name(self) -> UUID:
        return UUID(int=self.chance.getrandbits(128), version=4)

    def sums(self, least: int, most: int) -> tuple[ServiceAmount, ...]:
        services = self.chance.sample(SERVICES, self.chance.randint(1, 3))
        return tuple(ServiceAmount(s, self.chance.randint(least, most) or 1) for s in services)

    def bill(self, period: str) -> None:
        lines = []
        for service in self.chance.sample(SERVICES, self.chance.randint(1, 4)):
            charged = self.chance.randint(0, 300_000)
            recalculation = self.chance.choice((0, 0, -self.chance.randint(0, 400_000)))
            concession = self.chance.randint(0, charged // 10)
            payable = charged + recalculation - concession
            lines.append(ChargeLine(service, service, payable, charged, recalculation, concession))
        self.account.post_charges(period, self.day, self.day, lines)

    def pay(self) -> None:
        self.account.post_payment(
            self.name,
            self.day,
            self.chance.randint(1, 900_000),
            self.chance.choice((None, 0, self.chance.randint(1, 9_000))),
            first=self.chance.choice((None, "2026-02")),
            policy=self.chance.choice(POLICIES),
        )

    def adjust(self) -> None:
        period = self.chance.choice(sorted(self.account.bills))
        items = self.sums(-200_000, 90_000)
        self.account.adjust_charges(self.name, period, self.day, items, "an act")

    def reverse(self) -> None:
        not_reversed = sorted(self.account.payments.keys() - self.account.reversed)
        if not_reversed:
            self.account.reverse_payment(self.chance.choice(not_reversed), self.day, "refused")

    def refund(self) -> None:
        left = {name: self.account.left_of(name) for name in sorted(self.account.payments)}
        if some := [name for name, amount in left.items() if amount]:
            payment = self.chance.choice(some)
            amount = self.chance.randint(1, left[payment])
            self.account.refund_payment(payment, self.name, amount, self.day)

    def accrue(self) -> None:
        self.account.accrue_penalty(self.chance.randint(1, 9_000), self.day, "rule-1")

    def correct(self) -> None:
        if accrued := self.account.penalty_accrued:
            amount = self.chance.randint(-accrued, 3_000)
            correct_penalty(self.account, amount, self.day, "rule-1", "paid", through=self.day)

    def write_off(self) -> None:
        day = self.day
        if penalty := self.account.penalty_due(day):
            self.account.write_off_penalty(self.chance.randint(1, penalty), day, "a court decision")

    def change_kind(self) -> None:
        self.account.change_payer_kind(
            self.chance.choice(("household", "organisation", "managing_company")), self.day
        )

    def settle(self) -> None:
        self.account.record(AdvanceSettled(account=self.account.number, effective_on=self.day))

    def take_over(self) -> None:
        if not self.account.opening:
            self.account.post_opening(self.day, self.sums(-50_000, 90_000))


def play(session: PostgresSession, numbers: list[str]) -> None:
    for number in numbers:
        chance = random.Random(number)  # noqa: S311 - the same histories every time
        RandomHistory(load_account(session, number), chance).play(number, steps=14)


@pytest.fixture(scope="module")
def store(module_database: Database) -> PostgresStore:
    made = module_database.store("ledger")
    with context.bind(actor="service:test"):
        for start in range(0, len(NUMBERS), 20):
            made.transact(play, NUMBERS[start : start + 20])
    return made


def test_replay_and_sql_and_read_model_agree_to_the_kopeck(store: PostgresStore) -> None:
    report = audit(store)
    assert report.differences == []
    assert report.accounts == len(NUMBERS)
    assert report.events == store.recorder.max_notification_id()
    assert sum(report.trial_balance.values()) == 0
    rows = store.query(lambda session: session.read.balances(NUMBERS))
    for sum_ in ("principal", "penalty", "advance"):
        assert sum(row[sum_] > 0 for row in rows) > 20, f"there is something to compare: {sum_}"


def test_the_histories_hold_every_kind_of_event(module_database: Database, store: Any) -> None:
    with module_database.owner("ledger") as owner:
        topics = {row[0] for row in owner.execute("SELECT DISTINCT topic FROM events")}
    assert topics == {event.topic for event in ACCOUNT_EVENTS}


def test_the_sums_of_sql_are_those_of_the_domain_account_by_account(store: PostgresStore) -> None:
    def look(session: PostgresSession) -> None:
        summed = aggregate(session.cursor)
        for number in NUMBERS:
            account = session.load(Account, account_id(number))
            row = summed.pop(account.id)
            assert (row["version"], row["last_bill"]) == (account.version, account.last_bill)
            assert (row["principal"], row["penalty"], row["advance"]) == (
                account.principal,
                account.penalty,
                account.advance,
            )
        assert summed == {}

    store.query(look)


def test_the_balance_of_the_last_day_is_the_current_one(store: PostgresStore) -> None:
    def look(session: PostgresSession) -> None:
        for number in NUMBERS:
            now, then = balance(session, number, None), balance(session, number, "2099-12-31")
            for one in (now, then):
                one["owed"] = one["principal"] + one["penalty"] - one["advance"]
                assert one["principal"] == sum(item["amount"] for item in one["services"])
                assert min(one["principal"], one["penalty"], one["advance"]) >= 0
            assert (now["owed"], now["version"]) == (then["owed"], then["version"])

    store.query(look)


# A figure of each kind of event, and of each list in it, that somebody may have made another.
FIGURES = {
    "account_opened": ("opening,0,amount",),
    "opening_posted": ("opening,0,amount", "allocation,0,amount"),
    "charges_posted": ("lines,0,payable", "allocation,0,amount"),
    "charges_adjusted": ("lines,0,amount", "released,0,amount", "advance", "allocation,0,amount"),
    "penalty_accrued": ("amount",),
    "penalty_corrected": ("amount", "waived", "advance"),
    "penalty_written_off": ("amount", "advance"),
    "payment_posted": ("amount", "penalty", "allocation,0,amount", "penalty_allocated", "advance"),
    "payment_reversed": (
        "amount",
        "restored,0,amount",
        "penalty_restored",
        "advance_taken",
        "reopened,0,amount",
    ),
    "payment_refunded": (
        "amount",
        "restored,0,amount",
        "penalty_restored",
        "advance_taken",
        "reopened,0,amount",
    ),
}


@pytest.fixture
def tampered(module_database: Database, store: PostgresStore) -> Iterator[Any]:
    """Change one figure of one event by a kopeck, triggers off; afterwards it is as it was."""
    kept: list[tuple[int, bytes]] = []
    changed: list[str] = []
    with module_database.owner("ledger") as owner:
        owner.execute("ALTER TABLE events DISABLE TRIGGER events_append_only")

        def change(kind: str, path: str) -> str:
            keys = path.split(",")
            row = owner.execute(
                "SELECT notification_id, state FROM events WHERE split_part(topic, '.', 2) = %s "
                "AND (convert_from(state, 'UTF8')::jsonb #>> %s)::bigint IS NOT NULL "
                "AND convert_from(state, 'UTF8')::jsonb ->> 'account' <> ALL (%s) "
                "ORDER BY notification_id OFFSET 2 LIMIT 1",
                (kind, keys, changed),
            ).fetchone()
            assert row is not None, f"there is no {path} of {kind} to tamper with"
            kept.append((row[0], row[1]))
            state = msgspec.json.decode(row[1])
            changed.append(state["account"])
            holder: Any = state
            for key in keys[:-1]:
                holder = holder[int(key) if key.isdigit() else key]
            holder[keys[-1]] += 1
            owner.execute(
                "UPDATE events SET state = %s WHERE notification_id = %s",
                (msgspec.json.encode(state), row[0]),
            )
            return str(state["account"])

        yield change
        for position, state in kept:
            owner.execute(
                "UPDATE events SET state = %s WHERE notification_id = %s", (state, position)
            )
        owner.execute("ALTER TABLE events ENABLE TRIGGER events_append_only")


@pytest.mark.parametrize("kind", FIGURES)
def test_a_kopeck_changed_in_an_event_is_named(
    store: PostgresStore, tampered: Any, kind: str
) -> None:
    # Each figure in the event of another account, so that each must be found for itself.
    changed = {tampered(kind, path) for path in FIGURES[kind]}
    found = audit(store).differences
    # The row of a payment's posting is named by account and payment.
    assert {difference.account.split(" ")[0] for difference in found} - {""} == changed


@pytest.mark.parametrize("column", ["version", "last_bill", "principal", "penalty", "advance"])
def test_an_audit_finds_a_changed_balance(
    store: PostgresStore, module_database: Database, column: str
) -> None:
    with module_database.owner("ledger") as owner:
        change = f"UPDATE balances SET {column} = {column} + %s WHERE number = %s"
        owner.execute(change, (1, NUMBERS[3]))
        found = audit(store).differences
        owner.execute(change, (-1, NUMBERS[3]))
    what = f"{column.replace('_', ' ')} (read model)"
    assert [(one.account, one.what) for one in found] == [(NUMBERS[3], what)]
    assert audit(store).differences == []


def test_an_audit_finds_a_removed_event(store: PostgresStore, module_database: Database) -> None:
    number = NUMBERS[7]
    with module_database.owner("ledger") as owner:
        owner.execute("ALTER TABLE events DISABLE TRIGGER events_append_only")
        owner.execute(
            "DELETE FROM events WHERE originator_id = %s AND originator_version = 3",
            (account_id(number),),
        )
    found = {(difference.account, difference.what) for difference in audit(store).differences}
    assert ("", "positions of the log") in found
    assert (number, "versions of a stream") in found

"""An account against reference books, through any events in any order.

A state machine makes up the history of one account, step by step, and keeps reference books of it
(``reference_books.py``). After each step every figure of the ledger must agree with these books,
and with every other figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from reference_books import Books, Entry, books, by_effect
from trial_balance import trial_balance

from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.domain.allocation import DEFAULT_POLICY, POLICIES, Policy
from services.ledger.domain.double_entry import postings
from services.ledger.domain.effective_order import in_effective_order
from services.ledger.domain.events import ChargeLine, PenaltyCorrected, ServiceAmount
from services.ledger.penalties.accrual import accrue, penalties
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules
from services.ledger.publishing import publish
from services.ledger.reports.balances import balance
from services.ledger.reports.statements import statement
from services.ledger.reports.totals import TurnoverReport
from services.ledger.reports.turnover import Turnover
from shared.clock import SystemClock
from shared.contracts.ledger import CONTRACTS
from shared.errors import ValidationFailed
from shared.eventstore import Recorded
from tests.unit.ledger.penalty_corrections import correct_penalty
from tests.unit.ledger.settled_debts import debts

pytestmark = pytest.mark.slow

NUMBER = "0100000001"
ID = account_id(NUMBER)
SERVICES = ("heating", "lift", "waste", "water")
MONTHS = [f"2026-{month:02}" for month in range(1, 8)]
FIRST_DAY, LAST_DAY = date(2026, 1, 1), date(2026, 9, 30)
RANKING = ("water", "lift")
RANKED = Policy(
    name="test-newest-ranked",
    periods="newest_first",
    services="ranked",
    ranking=RANKING,
)
CHECKS = {contract.type: contract for contract in CONTRACTS}
RULES = load_rules(environ={})

DAYS = st.dates(FIRST_DAY, LAST_DAY)
SUMS = st.integers(0, 400)
OPENINGS = st.dictionaries(st.sampled_from(SERVICES), st.integers(-300, 300))
BILLS = st.dictionaries(st.sampled_from(SERVICES), st.integers(-60, 300), min_size=1)
CHANGES = st.dictionaries(
    st.sampled_from(SERVICES), st.integers(-300, 300).filter(bool), min_size=1
)


class Stream:
    """What the queries need of a session: the stream of the one account there is."""

    def __init__(self, events: list[Any]) -> None:
        self._events = events
        self.read = self
        self.clock = SystemClock()

    def service_names(self, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
        return {}

    def history(self, id: UUID) -> list[Recorded]:  # noqa: A002
        return [
            Recorded(
                originator_id=id,
                originator_version=place,
                position=place,
                recorded_at=instant_of(place),
                command_id=ID,
                actor="staff:test",
                correlation_id="",
                event=event,
            )
            for place, event in enumerate(self._events, 1)
        ]


class AccountMachine(RuleBasedStateMachine):
    """One account and the entries about it; ``day_of`` has the days of what can be corrected."""

    def __init__(self) -> None:
        super().__init__()
        POLICIES[RANKED.name] = RANKED
        self.account = Account(ID)
        self.entries: list[Entry] = []
        self.day_of: dict[Any, date] = {}
        # The sums after the events recorded so far: version -> its sums.
        self.sums_at: dict[int, tuple[int, int, int]] = {}
        # The last day for which a penalty has been accrued.
        self.through = date.min
        # What was billed and not paid, counted without any thought of what pays what.
        self.money = 0

    def teardown(self) -> None:
        del POLICIES[RANKED.name]

    @initialize(opening=OPENINGS, day=DAYS)
    def open(self, opening: dict[str, int], day: date) -> None:
        items = [ServiceAmount(service, amount) for service, amount in opening.items()]
        self.account.open(NUMBER, "household", day, items)
        self._enter(day, "open", opening)
        self.money += sum(opening.values())

    @precondition(lambda self: not self.account.opening)
    @rule(opening=OPENINGS.filter(lambda sums: sums and all(sums.values())), day=DAYS)
    def take_over(self, opening: dict[str, int], day: date) -> None:
        items = [ServiceAmount(service, amount) for service, amount in opening.items()]
        self.account.post_opening(day, items)
        self._enter(day, "open", opening)
        self.money += sum(opening.values())

    @precondition(lambda self: len(self.account.charged_periods) < len(MONTHS))
    @rule(data=st.data(), bill=BILLS, day=DAYS)
    def charge(self, data: st.DataObject, bill: dict[str, int], day: date) -> None:
        left = [month for month in MONTHS if month not in self.account.charged_periods]
        month = data.draw(st.sampled_from(left))
        self.account.post_charges(month, day, day, chargeable(bill))
        self.day_of[month] = day
        self._enter(day, "charge", month, bill)
        self.money += sum(bill.values())

    @precondition(lambda self: self.account.charged_periods)
    @rule(data=st.data(), changes=CHANGES, day=DAYS, name=st.uuids())
    def adjust(self, data: st.DataObject, changes: dict[str, int], day: date, name: UUID) -> None:
        month = data.draw(st.sampled_from(sorted(self.account.charged_periods)))
        items = [ServiceAmount(service, amount) for service, amount in changes.items()]
        assert self.account.adjust_charges(name, month, day, items, "a count") is True
        assert self.account.adjust_charges(name, month, day, items, "a count") is False
        self._enter(max(day, self.day_of[month]), "adjust", month, changes)
        self.money += sum(changes.values())

    @rule(amount=st.integers(1, 200), day=DAYS)
    def accrue(self, amount: int, day: date) -> None:
        self.account.accrue_penalty(amount, day, "rule-1")
        self.through = max(day, self.through)
        self._penalty_changed(day, "accrue", amount)

    @precondition(lambda self: self.account.last_accrual)
    @rule(amount=st.integers(-200, 100), day=DAYS)
    def correct(self, amount: int, day: date) -> None:
        if self.books.accrued + amount < 0:
            with pytest.raises(ValidationFailed):
                correct_penalty(self.account, amount, day, "rule-1", "paid", through=day)
        else:
            correct_penalty(self.account, amount, day, "rule-1", "paid", through=day)
            self.through, unwaived = max(day, self.through), self._unwaived(amount)
            day = max(day, self.day_of["penalty"])
            self._penalty_changed(day, "correct", amount, unwaived)

    @rule(day=DAYS)
    def accrue_by_the_rules(self, day: date) -> None:
        known = len(self.events)
        change = accrue(self.account, day, PenaltyLaw(RULES))
        added = self.events[known:]
        assert change == sum(event.amount for event in added)
        assert accrue(self.account, day, PenaltyLaw(RULES)) == 0
        assert len(self.events) == known + len(added)
        for event in added:
            if isinstance(event, PenaltyCorrected):
                on, unwaived = max(day, self.day_of["penalty"]), self._unwaived(event.amount)
                self._penalty_changed(on, "correct", event.amount, unwaived)
            else:
                self._penalty_changed(day, "accrue", event.amount)
        if day < self.through:
            assert not added
        else:
            # A correction alone leaves the days as they are: it is of what was accrued by then.
            self.through = max([self.through, *(event.through for event in added)])
            by_the_rules = sum(debt.total for debt in penalties(self.events, day, RULES))
            assert self.books.accrued == by_the_rules

    @precondition(lambda self: self.account.penalty)
    @rule(percent=st.integers(1, 100), day=DAYS)
    def write_off(self, percent: int, day: date) -> None:
        amount = -(-self.books.penalty * percent // 100)
        self.account.write_off_penalty(amount, day, "a court decision")
        self._penalty_changed(max(day, self.day_of["penalty"]), "waive", amount)

    @rule(
        amount=SUMS,
        penalty=st.none() | SUMS,
        first=st.none() | st.sampled_from(MONTHS),
        ranked=st.booleans(),
        day=DAYS,
        name=st.uuids(),
    )
    def pay(
        self,
        amount: int,
        penalty: int | None,
        first: str | None,
        ranked: bool,
        day: date,
        name: UUID,
    ) -> None:
        policy = DEFAULT_POLICY
        given: tuple[Any, ...] = (name, amount, penalty, first)
        if ranked:
            # This policy leaves the penalty alone where the payer did not name it.
            policy, given = RANKED, (name, amount, penalty or 0, first, True, RANKING)
        if not amount + (penalty or 0):
            with pytest.raises(ValidationFailed):
                self.account.post_payment(name, day, amount, penalty, first=first, policy=policy)
            return
        assert self.account.post_payment(name, day, amount, penalty, first=first, policy=policy)
        assert not self.account.post_payment(name, day, amount, penalty)
        self.day_of[name] = day
        self._enter(day, "pay", *given)
        self.money -= amount + (penalty or 0)

    @precondition(lambda self: self.books.payments)
    @rule(data=st.data(), day=DAYS)
    def reverse(self, data: st.DataObject, day: date) -> None:
        name = data.draw(st.sampled_from(list(self.books.payments)))
        self.money += self.books.payments[name]
        assert self.account.reverse_payment(name, day, "refused by the bank") is True
        assert self.account.reverse_payment(name, day, "refused by the bank") is False
        self._enter(max(day, self.day_of[name]), "reverse", name)

    @rule(amount=SUMS, penalty=st.integers(1, 400), day=DAYS, name=st.uuids())
    def pay_and_reverse_at_once(self, amount: int, penalty: int, day: date, name: UUID) -> None:
        before = snapshot_without_version(self.account)
        self.pay(amount, penalty, None, False, day, name)
        assert self.account.reverse_payment(name, day, "a mistake")
        self._enter(day, "reverse", name)
        self.money += amount + penalty
        assert snapshot_without_version(self.account) == before

    @property
    def books(self) -> Books:
        return books(self.entries)

    @property
    def events(self) -> list[Any]:
        return self.account.pending

    def _enter(self, day: date, what: str, *given: Any) -> None:
        self.entries.append(Entry(day, what, given))

    def _penalty_changed(self, day: date, what: str, *given: Any) -> None:
        self.day_of["penalty"] = max(day, self.day_of.get("penalty", day))
        self._enter(day, what, *given)

    def _unwaived(self, amount: int) -> int:
        """What is no longer waived, where a correction takes back more than is owed."""
        return min(max(0, -amount - self.books.penalty), self.books.waived)

    @invariant()
    def it_agrees_with_the_reference_books(self) -> None:
        account, kept = self.account, self.books
        assert (account.principal, account.penalty, account.advance) == (
            kept.principal,
            kept.penalty,
            kept.advance,
        )
        assert account.open_items == kept.open_items
        assert min(account.penalty, account.advance, kept.waived, kept.accrued) >= 0
        assert all(owed > 0 for month in account.open_items.values() for owed in month.values())

    @invariant()
    def no_money_is_made_or_lost(self) -> None:
        account, kept = self.account, self.books
        owed = account.principal + account.penalty - account.advance
        assert owed == self.money + kept.accrued - kept.waived

    @invariant()
    def every_event_is_double_entry(self) -> None:
        for event in self.events:
            assert sum(amount for _, amount in postings(event)) == 0
        balances = trial_balance(self.events)
        assert sum(balances.values()) == 0
        owed: dict[str, int] = {}
        for month in self.account.open_items.values():
            for service, amount in month.items():
                owed[f"receivable:{service}"] = owed.get(f"receivable:{service}", 0) + amount
        owed["receivable:penalty"] = self.account.penalty
        owed["advances"] = -self.account.advance
        for name, amount in balances.items():
            if name.startswith("receivable:") or name == "advances":
                assert amount == owed.pop(name, 0)
        assert not any(owed.values())

    @invariant()
    def the_log_and_the_row_rebuild_it(self) -> None:
        again = Account(ID)
        for event in self.events:
            again.replay(EVENTS.decode(event.topic, EVENTS.encode(event)))
        assert again.snapshot() == self.account.snapshot()
        row = msgspec.json.decode(msgspec.json.encode(again.snapshot()))
        restored = Account.from_row(ID, row)
        assert restored.snapshot() == again.snapshot()
        for account in (again, restored):
            account.post_charges("2026-12", LAST_DAY, LAST_DAY, chargeable({"water": 90, "gas": 7}))
        assert again.pending == restored.pending
        assert again.snapshot() == restored.snapshot()

    @invariant()
    def every_publication_keeps_its_contract(self) -> None:
        publication = publish(Stream(self.events).history(ID)[-1])
        assert publication is not None
        CHECKS[publication.type].check(publication.data)

    @invariant()
    def the_published_changes_add_up_to_the_balance(self) -> None:
        sums = {"principal": 0, "penalty": 0, "advance": 0}
        for recorded in Stream(self.events).history(ID):
            publication = publish(recorded)
            assert publication is not None
            for name, amount in publication.data["change"].items():
                sums[name] += amount
        assert sums == {name: getattr(self.account, name) for name in sums}

    @invariant()
    def the_statement_runs_up_to_the_balance(self) -> None:
        session: Any = Stream(self.events)
        movements = statement(session, NUMBER, None, 1_000)["movements"]
        running = 0
        for movement in movements:
            running += movement["amount"] + movement["penalty"]
            assert movement["balance"] == running
        assert running == self.account.principal + self.account.penalty - self.account.advance

    @invariant()
    def penalties_are_of_what_is_owed(self) -> None:
        owed: dict[str, int] = {}
        paid: dict[str, int] = {}
        for debt in debts(self.events):
            for part in debt.parts:
                sums = owed if part.paid_on is None else paid
                sums[debt.due.period] = sums.get(debt.due.period, 0) + part.amount
            assert debt.due.amount == sum(part.amount for part in debt.parts)
        assert owed == {
            month: sum(services.values()) for month, services in self.books.open_items.items()
        }
        assert paid == self.books.paid

    @invariant()
    def a_past_instant_has_the_balance_it_had(self) -> None:
        account, session = self.account, cast(Any, Stream(self.events))
        self.sums_at[account.version] = (account.principal, account.penalty, account.advance)
        for version in sorted(self.sums_at)[-3::2]:
            answer = balance(session, NUMBER, instant_of(version).isoformat())
            found = (answer["principal"], answer["penalty"], answer["advance"])
            assert (answer["version"], found) == (version, self.sums_at[version])

    @invariant()
    def a_past_day_has_the_balance_of_its_entries(self) -> None:
        session: Any = Stream(self.events)
        ordered = by_effect(self.entries)
        middle = ordered[len(ordered) // 2].day
        for day in sorted({middle, self.entries[-1].day, LAST_DAY}):
            answer = balance(session, NUMBER, day.isoformat())
            kept = books(entry for entry in ordered if entry.day <= day)
            assert (answer["principal"], answer["penalty"], answer["advance"]) == (
                kept.principal,
                kept.penalty,
                kept.advance,
            )
            owed = {item["service"]: item["amount"] for item in answer["services"]}
            assert owed == kept.services
            self._turnover_agrees(day, kept)
        owed = answer["principal"] + answer["penalty"] - answer["advance"]
        assert owed == self.account.principal + self.account.penalty - self.account.advance

    def _turnover_agrees(self, day: date, kept: Books) -> None:
        until, after = Turnover(FIRST_DAY, day), Turnover(day + timedelta(days=1), LAST_DAY)
        for turnover in (until, after):
            turnover.add(in_effective_order(ID, self.events))
        closing = {name: row.closing for name, row in until.rows.items() if row.closing}
        assert closing == nonzero(
            {**kept.services, "penalty": kept.penalty, "advance": -kept.advance}
        )
        assert closing == {name: row.opening for name, row in after.rows.items() if row.opening}
        whole, rest = (TurnoverReport(dict(made.rows), {}).total for made in (until, after))
        assert whole.closing == kept.principal + kept.penalty - kept.advance
        assert rest.closing == sum(row.closing for row in after.rows.values())


def instant_of(version: int) -> datetime:
    """When an event was recorded, its effect on whatever day it may be."""
    return datetime(2026, 10, 1, tzinfo=UTC) + timedelta(minutes=version)


def chargeable(bill: dict[str, int]) -> list[ChargeLine]:
    """A bill whose lines come to the sums given, with something in each of their columns."""
    return [ChargeLine(s, s, amount, amount + 7, 3, 10) for s, amount in bill.items()]


def snapshot_without_version(account: Account) -> dict[str, Any]:
    snapshot = account.snapshot()
    del snapshot["version"]
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(snapshot))
    return decoded


def nonzero(sums: dict[str, int]) -> dict[str, int]:
    return {name: amount for name, amount in sums.items() if amount}


AccountMachine.TestCase.settings = settings(deadline=None, stateful_step_count=25)
TestAccountMachine = AccountMachine.TestCase

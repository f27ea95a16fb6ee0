"""The figures of an account agree with each other, through any events in any order.

A state machine makes up the history of one account, step by step, and counts its money apart. After
each step every figure of the ledger must agree with that count and with every other figure. What
they come to is compared with an independent oracle elsewhere (``tests/ledger_oracle``).
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
from trial_balance import trial_balance

from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.domain.allocation import DEFAULT_POLICY, POLICIES, Policy
from services.ledger.domain.double_entry import postings
from services.ledger.domain.effective_order import in_effective_order
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.penalties.accrual import accrue
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules
from services.ledger.publishing import publish
from services.ledger.reports.balances import balance
from services.ledger.reports.statements import statement
from services.ledger.reports.turnover import Turnover
from shared.contracts.ledger import CONTRACTS
from shared.errors import Conflict, ValidationFailed
from shared.eventstore import Recorded
from tests.fixed_clock import FixedClock
from tests.ledger_history import history_of

pytestmark = pytest.mark.slow

NUMBER = "0100000001"
ID = account_id(NUMBER)
SERVICES = ("heating", "lift", "waste", "water")
MONTHS = [f"2026-{month:02}" for month in range(1, 8)]
FIRST_DAY, LAST_DAY, END = date(2026, 1, 1), date(2026, 9, 30), date(2026, 12, 31)
RANKING = ("water", "lift")
RANKED = Policy(
    name="test-newest-ranked",
    periods="newest_first",
    services="ranked",
    ranking=RANKING,
)
CHECKS = {contract.type: contract for contract in CONTRACTS}
LAW = PenaltyLaw(load_rules(environ={}))

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
        self.clock = FixedClock(instant_of(0))

    def service_names(self, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
        return {}

    def history(self, id: UUID) -> list[Recorded]:
        return history_of(id, self._events, instant_of)


class AccountMachine(RuleBasedStateMachine):
    """One account; its payments and its money, counted without any thought of what pays what."""

    def __init__(self) -> None:
        super().__init__()
        POLICIES[RANKED.name] = RANKED
        self.account = Account(ID)
        self.account.law = LAW
        # Payments that are not reversed: payment -> its sum.
        self.paid: dict[UUID, int] = {}
        # The sums after the events recorded so far: version -> its sums.
        self.sums_at: dict[int, tuple[int, int, int]] = {}
        # What was billed and not paid, counted without any thought of what pays what.
        self.money = 0

    def teardown(self) -> None:
        del POLICIES[RANKED.name]

    @initialize(opening=OPENINGS, day=DAYS)
    def open(self, opening: dict[str, int], day: date) -> None:
        items = [ServiceAmount(service, amount) for service, amount in opening.items()]
        self.account.open(NUMBER, "household", day, items)
        self.money += sum(opening.values())

    @precondition(lambda self: not self.account.opening)
    @rule(opening=OPENINGS.filter(lambda sums: sums and all(sums.values())), day=DAYS)
    def take_over(self, opening: dict[str, int], day: date) -> None:
        items = [ServiceAmount(service, amount) for service, amount in opening.items()]
        self.account.post_opening(day, items)
        self.money += sum(opening.values())

    @precondition(lambda self: len(self.account.charged_periods) < len(MONTHS))
    @rule(data=st.data(), bill=BILLS, day=DAYS)
    def charge(self, data: st.DataObject, bill: dict[str, int], day: date) -> None:
        left = [month for month in MONTHS if month not in self.account.charged_periods]
        month = data.draw(st.sampled_from(left))
        self.account.post_charges(month, day, day, chargeable(bill))
        self.money += sum(bill.values())

    @precondition(lambda self: self.account.charged_periods)
    @rule(data=st.data(), changes=CHANGES, day=DAYS, name=st.uuids())
    def adjust(self, data: st.DataObject, changes: dict[str, int], day: date, name: UUID) -> None:
        month = data.draw(st.sampled_from(sorted(self.account.charged_periods)))
        items = [ServiceAmount(service, amount) for service, amount in changes.items()]
        assert self.account.adjust_charges(name, month, day, items, "a count") is True
        assert self.account.adjust_charges(name, month, day, items, "a count") is False
        self.money += sum(changes.values())

    @rule(day=DAYS)
    def accrue_by_the_rules(self, day: date) -> None:
        known = len(self.events)
        change = accrue(self.account, day, LAW)
        assert change == sum(getattr(event, "amount", 0) for event in self.events[known:])
        known = len(self.events)
        assert accrue(self.account, day, LAW) == 0
        assert self.events[known:] == []

    @rule(percent=st.integers(1, 100), day=DAYS)
    def write_off(self, percent: int, day: date) -> None:
        owed = self.account.penalty_due(day)
        if owed:
            self.account.write_off_penalty(-(-owed * percent // 100), day, "a court decision")

    @rule(kind=st.sampled_from(("household", "organisation")), day=DAYS)
    def change_payer_kind(self, kind: str, day: date) -> None:
        changes = kind != self.account.payer_kind
        assert self.account.change_payer_kind(kind, day) is changes

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
        policy = RANKED if ranked else DEFAULT_POLICY
        if not amount + (penalty or 0):
            with pytest.raises(ValidationFailed):
                self.account.post_payment(name, day, amount, penalty, first=first, policy=policy)
            return
        assert self.account.post_payment(name, day, amount, penalty, first=first, policy=policy)
        assert not self.account.post_payment(name, day, amount, penalty)
        self.paid[name] = amount + (penalty or 0)
        self.money -= amount + (penalty or 0)

    @precondition(lambda self: self.paid)
    @rule(data=st.data(), day=DAYS)
    def reverse(self, data: st.DataObject, day: date) -> None:
        name = data.draw(st.sampled_from(list(self.paid)))
        self.money += self.paid.pop(name)
        assert self.account.reverse_payment(name, day, "refused by the bank") is True
        assert self.account.reverse_payment(name, day, "refused by the bank") is False

    @precondition(lambda self: self.paid)
    @rule(data=st.data(), day=DAYS, name=st.uuids())
    def refund(self, data: st.DataObject, day: date, name: UUID) -> None:
        payment = data.draw(st.sampled_from(list(self.paid)))
        amount = data.draw(st.integers(1, self.paid[payment]))
        with pytest.raises(Conflict):
            self.account.refund_payment(payment, name, self.paid[payment] + 1, day)
        assert self.account.refund_payment(payment, name, amount, day) is True
        assert self.account.refund_payment(payment, name, amount, day) is False
        self.money += amount
        self.paid[payment] -= amount
        if not self.paid[payment]:
            del self.paid[payment]
            assert self.account.reverse_payment(payment, day, "nothing is left") is False

    @property
    def events(self) -> list[Any]:
        return self.account.pending

    @invariant()
    def no_advance_stands_beside_a_debt(self) -> None:
        account = self.account
        assert not (account.advance and (account.principal or account.penalty))
        assert min(account.penalty, account.advance, account.penalty_waived) >= 0
        assert all(owed > 0 for month in account.open_items.values() for owed in month.values())

    @invariant()
    def no_money_is_made_or_lost(self) -> None:
        account = self.account
        owed = account.principal + account.penalty - account.advance
        assert owed == self.money + account.penalty_accrued - account.penalty_waived

    @invariant()
    def an_account_taken_anew_settles_the_same(self) -> None:
        again = Account(ID)
        again.law = LAW
        for event in self.events:
            again.replay(event)
        assert again.settlement().open == self.account.open_items

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
    def a_past_instant_has_the_balance_it_had(self) -> None:
        account, session = self.account, cast(Any, Stream(self.events))
        self.sums_at[account.version] = (account.principal, account.penalty, account.advance)
        for version in sorted(self.sums_at)[-3::2]:
            answer = balance(session, NUMBER, instant_of(version).isoformat())
            found = (answer["principal"], answer["penalty"], answer["advance"])
            assert (answer["version"], found) == (version, self.sums_at[version])

    @invariant()
    def the_turnover_closes_with_the_balance(self) -> None:
        effective = in_effective_order(ID, self.events, LAW)
        middle = effective[len(effective) // 2].effective_on
        until, after, whole = (
            Turnover(FIRST_DAY, middle),
            Turnover(middle + timedelta(days=1), END),
            Turnover(FIRST_DAY, END),
        )
        for turnover in (until, after, whole):
            turnover.add(effective)
        closing = {name: row.closing for name, row in until.rows.items() if row.closing}
        assert closing == {name: row.opening for name, row in after.rows.items() if row.opening}
        account, owed = self.account, dict[str, int]()
        for month in account.open_items.values():
            for service, amount in month.items():
                owed[service] = owed.get(service, 0) + amount
        assert nonzero({name: row.closing for name, row in whole.rows.items()}) == nonzero(
            {**owed, "penalty": account.penalty, "advance": -account.advance}
        )


def instant_of(version: int) -> datetime:
    """When an event was recorded, its effect on whatever day it may be."""
    return datetime(2026, 10, 1, tzinfo=UTC) + timedelta(minutes=version)


def chargeable(bill: dict[str, int]) -> list[ChargeLine]:
    """A bill whose lines come to the sums given, with something in each of their columns."""
    return [ChargeLine(s, s, amount, amount + 7, 3, 10) for s, amount in bill.items()]


def nonzero(sums: dict[str, int]) -> dict[str, int]:
    return {name: amount for name, amount in sums.items() if amount}


AccountMachine.TestCase.settings = settings(deadline=None, stateful_step_count=25)
TestAccountMachine = AccountMachine.TestCase

"""An account that is recorded in some order, compared with the oracle after every posting."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast
from uuid import UUID

import msgspec

from services.ledger.domain import EVENTS, Account
from services.ledger.domain.double_entry import postings
from services.ledger.penalties.account_penalty import penalty
from services.ledger.reports.balances import balance
from shared.eventstore import Recorded
from tests.fixed_clock import FixedClock
from tests.ledger_history import history_of
from tests.ledger_oracle.facts import Fact, by_effect, facts_of
from tests.ledger_oracle.oracle import State, state_of, states_of
from tests.ledger_oracle.recording import ID, LAW, NUMBER, TODAY, Recorder

MOMENTS = 4
"""How many past days, and as many instants, are compared."""
FURTHEST = 600
"""How many days before the end they are at most."""
RECORDED_FROM = datetime.combine(TODAY, time(9), UTC)


class Check:
    """Records entries in an order.

    ``differences`` says what is not as the oracle has it, ``kinds`` which figures these are.
    """

    def __init__(self, order: Sequence[Fact], end: date, *, from_row: bool = False) -> None:
        self.differences: list[str] = []
        self.kinds: set[str] = set()
        self._order, self._end = order, end
        self._recorder = Recorder(from_row=from_row)
        self._trial_balance: Counter[str] = Counter()
        self._postings: list[int] = []
        # The same moments when a failing history is made shorter.
        self._chance = random.Random(f"moments {end}")  # noqa: S311 - reproducible

    def run(self) -> Check:
        """Record everything and compare; an exception is a difference too."""
        try:
            self._record()
            self._compare_end()
            self._compare_past()
        except Exception as error:  # noqa: BLE001 - whatever it is, it has a seed
            self._found("recording", type(error).__name__, error)
        return self

    @property
    def facts(self) -> list[Fact]:
        """The facts as the ledger has recorded them."""
        return facts_of(self._recorder.events)

    def _record(self) -> None:
        for entry in self._order:
            before = len(self._recorder.events)
            self._recorder.record(entry)
            self._check_books(f"after {entry.what} of {entry.day}", before)
            self._postings.append(len(self._recorder.events))

    def _check_books(self, when: str, before: int) -> None:
        account = self._recorder.account
        owed = [sum_ for month in account.open_items.values() for sum_ in month.values()]
        if account.advance and (owed or account.penalty):
            self._found(when, "an advance beside an open debt", _figures(account))
        if min([account.advance, account.penalty, account.penalty_waived, *owed]) < 0:
            self._found(when, "something negative", _figures(account))
        if 0 in owed or not all(account.open_items.values()):
            self._found(when, "an open item of nothing", account.open_items)
        for event in self._recorder.events[before:]:
            entries = postings(event)
            if sum(amount for _, amount in entries):
                self._found(when, "not double entry", event)
            self._trial_balance.update(_sums(entries))
        self._compare(when, "trial balance", _receivables(self._trial_balance), _owed(account))

    def _compare_end(self) -> None:
        account, recorder = self._recorder.account, self._recorder
        # A waiver takes effect no earlier than the last correction, which is made today.
        self._end = max(self._end, last_day(self.facts))
        state = state_of(self.facts, reached(recorder.events))
        self._compare_balance("when all is recorded", account, state)
        before = len(recorder.events)
        recorder.accrue(self._end)
        self._check_books("after the last accrual", before)
        state = state_of(self.facts, self._end)
        self._compare_balance(f"accrued through {self._end}", account, state)
        self._compare(f"accrued through {self._end}", "penalty", account.penalty, state.owed)
        length = len(recorder.events)
        recorder.accrue(self._end)
        self._compare("accrued again", "events", len(recorder.events), length)
        again = Account(ID)
        for event in recorder.events:
            again.replay(EVENTS.decode(event.topic, EVENTS.encode(event)))
        self._compare("replayed", "snapshot", again.snapshot(), account.snapshot())
        row = msgspec.json.decode(msgspec.json.encode(account.snapshot()))
        restored = Account.from_row(ID, row)
        self._compare("from its row", "snapshot", restored.snapshot(), account.snapshot())

    def _compare_past(self) -> None:
        log, facts = Log(self._recorder.events, self._end), self.facts
        opened = min(fact.day for fact in by_effect(facts))
        days = [self._end - timedelta(self._chance.randint(0, FURTHEST)) for _ in range(MOMENTS)]
        states = states_of(facts, days)
        for day in days:
            if day >= opened:
                self._compare_day(log, day, states[day])
        # The events of one posting are recorded in one transaction, at one instant.
        chosen = [self._chance.random() for _ in range(MOMENTS)]
        for version in [self._postings[int(part * len(self._postings))] for part in chosen]:
            known = log.events[:version]
            state = state_of(facts_of(known), reached(known))
            answer = balance(log.session, NUMBER, instant_of(version).isoformat())
            self._compare_answer(f"as recorded by event {version}", answer, state)

    def _compare_day(self, log: Log, day: date, state: State) -> None:
        answer = balance(log.session, NUMBER, day.isoformat())
        self._compare_answer(f"as of {day}", answer, state)
        self._compare(f"as of {day}", "penalty_due", answer["penalty_due"], state.owed)
        answer = penalty(log.session, NUMBER, day, LAW)
        self._compare(f"penalty of {day}", "total", answer["total"], state.penalty)
        self._compare(f"penalty of {day}", "owed", answer["owed"], state.owed)
        segments = sum(item["amount"] for debt in answer["debts"] for item in debt["segments"])
        self._compare(f"penalty of {day}", "sum of the segments", segments, state.penalty)

    def _compare_answer(self, when: str, answer: Mapping[str, Any], state: State) -> None:
        services = {item["service"]: item["amount"] for item in answer["services"]}
        found = (answer["principal"], answer["advance"], services)
        self._compare(when, "balance", found, (state.total, state.advance, state.services))

    def _compare_balance(self, when: str, account: Account, state: State) -> None:
        self._compare(when, "principal", account.open_items, state.principal)
        self._compare(when, "advance", account.advance, state.advance)

    def _compare(self, when: str, what: str, found: Any, expected: Any) -> None:
        if found != expected:
            self._found(when, what, f"{found}, and not {expected}")

    def _found(self, when: str, what: str, found: Any) -> None:
        self.kinds.add(what)
        self.differences.append(f"{when}: {what}: {found}")


class Log:
    """What the queries need of a store: the one account there is, on a day after all its facts."""

    def __init__(self, events: Sequence[Any], today: date) -> None:
        self.events = list(events)
        self.today = today
        self.clock = FixedClock(RECORDED_FROM)
        self.read = self

    @property
    def session(self) -> Any:
        return cast(Any, self)

    def service_names(self, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
        return {}

    def history(self, id: UUID) -> list[Recorded]:
        return history_of(id, self.events, instant_of)

    def histories(self, ids: Sequence[UUID]) -> dict[UUID, list[Recorded]]:
        return {id_: self.history(id_) for id_ in ids}


def last_day(facts: Sequence[Fact]) -> date:
    """Return the day of the last fact; an opening takes effect before all others."""
    return max(fact.day for fact in by_effect(facts))


def reached(events: Sequence[Any]) -> date:
    """Return the day of the last fact, or through which a penalty was accrued."""
    accrued: list[date] = [event.through for event in events if hasattr(event, "through")]
    return max([last_day(facts_of(events)), *accrued])


def instant_of(version: int) -> datetime:
    """Return when an event was recorded."""
    return RECORDED_FROM + timedelta(minutes=version)


def _sums(entries: Sequence[tuple[str, int]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for name, amount in entries:
        sums[name] += amount
    return sums


def _figures(account: Account) -> dict[str, int]:
    names = ("principal", "penalty", "penalty_waived", "advance")
    return {name: getattr(account, name) for name in names}


def _receivables(books: Mapping[str, int]) -> dict[str, int]:
    return {
        name: amount
        for name, amount in books.items()
        if amount and (name.startswith("receivable:") or name == "advances")
    }


def _owed(account: Account) -> dict[str, int]:
    owed: Counter[str] = Counter()
    for month in account.open_items.values():
        owed.update({f"receivable:{service}": amount for service, amount in month.items()})
    owed.update({"receivable:penalty": account.penalty, "advances": -account.advance})
    return {name: amount for name, amount in owed.items() if amount}

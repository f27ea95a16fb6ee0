"""I4: each account owes what the rules say of its facts, to the kopeck, and month by month.

The balances of `balances` follow the events, whatever these say. Here the facts alone are taken of
the raw log (bills, recalculations, payments, refunds, waivers and their days), and an oracle that
shares no code with the ledger (`tests/ledger_oracle`) says what is owed by them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from types import SimpleNamespace
from typing import Any

from tests.faults.checker.books import PENALTY, Postings, postings_of
from tests.faults.checker.evidence import Evidence, Fact
from tests.faults.checker.findings import Finding
from tests.ledger_oracle.facts import Fact as OracleFact
from tests.ledger_oracle.facts import by_effect, facts_of
from tests.ledger_oracle.oracle import State, state_of

INVARIANT = "I4"

_DAYS = frozenset({"effective_on", "due_on"})
_DEFAULTS: Mapping[str, Any] = {
    "opening": (),
    "due_on": None,
    "named_period": "",
    "penalty": 0,
    "lines": (),
}
_UNKNOWN_TO_IT = frozenset({"advance_settled", "account_closed"})
"""What the oracle has no facts for: accounts with such events are left to the audit."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Compare the rows and the accruals of every account that has changed with the oracle."""
    for log in evidence.books:
        yield from _book(evidence, log)


def _book(evidence: Evidence, log: str) -> Iterator[Finding]:
    histories: dict[str, list[Fact]] = defaultdict(list)
    for fact in evidence.facts(log):
        if "account" in fact.data and postings_of(fact) is not None:
            histories[fact.stream].append(fact)
    rows = {
        row["id"]: row
        for row in evidence.rows_of(
            log, f"SELECT account_id::text AS id, number, advance, open_items FROM {log}.balances"
        )
    }
    for stream, history in histories.items():
        if stream in rows and not any(_kind(one) in _UNKNOWN_TO_IT for one in history):
            yield from _account(history, rows[stream])


def _account(history: list[Fact], row: Mapping[str, Any]) -> Iterator[Finding]:
    events = [_as_event(fact) for fact in history]
    facts = facts_of(events)
    number = row["number"]
    state = state_of(facts, _reached(facts, history))
    open_items = {
        period: {name: amount for name, amount in services.items() if amount}
        for period, services in (row["open_items"] or {}).items()
    }
    shown = {period: services for period, services in open_items.items() if services}
    if shown != state.principal:
        sentence = f"{_differing(state, shown)}"
        yield Finding(INVARIANT, "allocation by the rules", number, sentence)
    if row["advance"] != state.advance:
        sentence = f"{state.advance} by the rules, {row['advance']} by the row"
        yield Finding(INVARIANT, "advance by the rules", number, sentence)
    yield from _penalty(history, events, number)


def _penalty(history: list[Fact], events: list[Any], number: str) -> Iterator[Finding]:
    """The last penalty that was accrued is that of the rules through its day."""
    places = [place for place, one in enumerate(history) if "through" in one.data]
    if not places:
        return
    last = places[-1]
    if _kind(history[last]) == "penalty_accrued" and not history[last].data.get("segments"):
        return  # a billing centre's own figure
    through = date.fromisoformat(history[last].data["through"])
    # What is recorded with it belongs to it: a waiver may move what it waives.
    while last + 1 < len(history) and _together(history[last], history[last + 1]):
        last += 1
    facts = facts_of(events[: last + 1])
    if max(fact.day for fact in by_effect(facts)) > through:
        return
    booked: Postings = Postings()
    for one in history[: last + 1]:
        booked.update(postings_of(one) or {})
    owed = state_of(facts, through).owed
    if booked[PENALTY] != owed:
        sentence = f"{owed} owed by the rules through {through}, {booked[PENALTY]} booked"
        yield Finding(INVARIANT, "penalty by the rules", number, sentence)


def _together(one: Fact, other: Fact) -> bool:
    """Return whether two events are of one transaction."""
    return one.recorded_at == other.recorded_at and one.correlation_id == other.correlation_id


def _reached(facts: list[OracleFact], history: list[Fact]) -> date:
    """Return the day of the last fact, or through which a penalty was accrued."""
    accrued = [date.fromisoformat(one.data["through"]) for one in history if "through" in one.data]
    return max([max(fact.day for fact in by_effect(facts)), *accrued])


def _differing(state: State, shown: Mapping[str, Mapping[str, int]]) -> str:
    wanted = {(p, s): v for p, services in state.principal.items() for s, v in services.items()}
    found = {(p, s): v for p, services in shown.items() for s, v in services.items()}
    off = sorted(key for key in {*wanted, *found} if wanted.get(key) != found.get(key))
    [period, service] = off[0]
    return (
        f"{service} of {period}: {wanted.get(off[0], 0)} by the rules, {found.get(off[0], 0)} by "
        f"the row; {len(off)} such"
    )


def _kind(fact: Fact) -> str:
    return fact.topic.split(".")[1]


def _as_event(fact: Fact) -> Any:
    """Return an event with the attributes that the oracle reads, named as it names events."""
    name = "".join(word.capitalize() for word in _kind(fact).split("_"))
    values = {**_DEFAULTS, **{key: _value(key, value) for key, value in fact.data.items()}}
    return type(name, (SimpleNamespace,), {})(**values)


def _value(key: str, value: Any) -> Any:
    if key in _DAYS and isinstance(value, str):
        return date.fromisoformat(value)
    if isinstance(value, list):
        return [SimpleNamespace(**one) if isinstance(one, dict) else one for one in value]
    return value

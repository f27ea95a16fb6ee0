"""The rules of accounts, as the checker has them: right accounts pass, and wrong ones do not.

Random accounts are recorded as the ledger does it, and given to the check as rows of a log.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import pytest

from services.ledger.domain import Account
from tests.faults.checker import rules
from tests.faults.checker.evidence import Fact
from tests.ledger_oracle.companies import RandomAccount, an_order
from tests.ledger_oracle.recording import ID, Recorder

NOW = datetime(2027, 6, 1, tzinfo=UTC)
ACCOUNTS = 60


class OneAccount:
    """The evidence of an account: its log, and its row; an event that ends a transaction is one of
    `ends`."""

    books = ("ledger",)

    def __init__(self, events: Sequence[Any], row: Mapping[str, Any], ends: Sequence[int]) -> None:
        self._row = row
        self._facts = [
            Fact(
                place,
                str(ID),
                place,
                event.topic,
                msgspec.json.decode(msgspec.json.encode(event)),
                NOW + timedelta(minutes=bisect_left(ends, place)),
                "",
            )
            for place, event in enumerate(events, 1)
        ]

    def facts(self, service: str) -> Sequence[Fact]:
        return self._facts

    def rows_of(self, log: str, query: str) -> list[dict[str, Any]]:
        return [{"id": str(ID), **self._row}]


class Recorded(NamedTuple):
    """An account as the ledger has recorded it."""

    account: Account
    events: list[Any]
    ends: list[int]


def recorded(seed: int) -> Recorded:
    account = RandomAccount(seed)
    recorder, ends = Recorder(from_row=seed % 2 == 1), []
    for entry in an_order(account.entries, random.Random(seed)):  # noqa: S311 - reproducible
        recorder.record(entry)
        ends.append(len(recorder.events))
    return Recorded(recorder.account, recorder.events, ends)


def found(one: Recorded, **changed: Any) -> Iterator[Any]:
    row = msgspec.json.decode(msgspec.json.encode(one.account.snapshot()))
    evidence: Any = OneAccount(one.events, {**row, **changed}, one.ends)
    return rules.check(evidence)


@pytest.mark.parametrize("first", range(0, ACCOUNTS, 10))
def test_nothing_is_found_of_what_the_ledger_records(first: int) -> None:
    wrong = [str(one) for seed in range(first, first + 10) for one in found(recorded(seed))]
    assert wrong == []


def test_kopeck_that_another_service_gets_is_found() -> None:
    recorder = next(
        one
        for one in map(recorded, range(ACCOUNTS))
        if any(len(month) > 1 for month in one.account.open_items.values())
    )
    items = {period: dict(month) for period, month in recorder.account.open_items.items()}
    month = next(month for month in items.values() if len(month) > 1)
    first, second, *_ = month
    month[first] += 1
    month[second] -= 1
    assert "allocation by the rules" in {one.rule for one in found(recorder, open_items=items)}


def test_advance_that_is_not_there_is_found() -> None:
    recorder = recorded(0)
    advance = recorder.account.advance + 1
    assert "advance by the rules" in {one.rule for one in found(recorder, advance=advance)}


def test_penalty_of_another_sum_is_found() -> None:
    one = next(
        one
        for one in map(recorded, range(ACCOUNTS))
        if hasattr(one.events[-1], "through") and one.events[-1].segments
    )
    last = one.events[-1]
    one.events[-1] = msgspec.structs.replace(last, amount=last.amount + 1)
    assert "penalty by the rules" in {finding.rule for finding in found(one)}

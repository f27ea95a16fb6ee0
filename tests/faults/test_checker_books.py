"""What the checker says of a ledger of two books: of made-up logs, with one thing wrong in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec.structs
import pytest

from shared.config import SERVICES
from tests.faults.checker import balances, books, numbers, promises
from tests.faults.checker.evidence import Evidence, Fact
from tests.faults.checker.postings import _postings
from tests.faults.checker.unresolved import _published, _reactions, _sealed
from tests.faults.load.beliefs import Belief

FIRST, NORTH = "ledger", "ledger_north"
IN_FIRST, IN_NORTH = "0100000001", "0100000011"
Rows = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]


def posted(account: str, position: int = 1, **changed: Any) -> Fact:
    """Return a payment of five roubles, all of which goes to the advance."""
    data = {
        "account": account,
        "payment_id": f"p-{account}",
        "effective_on": "2026-11-30",
        "amount": 500,
        "penalty": 0,
        "penalty_named": False,
        "allocation": [],
        "penalty_allocated": 0,
        "advance": 500,
        "moved": [],
        **changed,
    }
    at = datetime(2026, 11, 30, 12, position, tzinfo=UTC)
    return Fact(position, account, position, "ledger.payment_posted.v1", data, at, "command")


def row_of(number: str, **changed: Any) -> dict[str, Any]:
    """Return the row of an account after such a payment."""
    return {
        "id": number, "number": number, "version": 1, "principal": 0, "penalty": 0,
        "advance": 500, "open_items": {}, **changed,
    }  # fmt: skip


RULE = {"prefix": "010000001", "book": NORTH, "settled": True}
ROWS: Rows = {
    (FIRST, "balances"): [row_of(IN_FIRST)],
    (NORTH, "balances"): [row_of(IN_NORTH)],
    (FIRST, "book_rules"): [RULE],
    (NORTH, "book_rules"): [RULE],
}


class TwoBooks(Evidence):
    """An account in each book, in the log and in the rows of it."""

    def __init__(
        self,
        north: Sequence[Fact] = (posted(IN_NORTH),),
        rows: Rows = ROWS,
        *,
        first: Sequence[Fact] = (posted(IN_FIRST),),
        beliefs: Sequence[Belief] = (),
    ) -> None:
        logs = {**{name: [] for name in SERVICES}, FIRST: list(first), NORTH: list(north)}
        environment = {"SALDO_LEDGER_BOOKS": "north"}
        super().__init__(environment, None, beliefs, _facts=logs)  # type: ignore[arg-type]
        self._rows = rows

    def rows_of(self, log: str, query: str, *values: Any) -> list[dict[str, Any]]:
        asked = re.search(rf"\b{log}\.(\w+)", query)
        assert asked is not None, query
        return [dict(row) for row in self._rows.get((log, asked[1]), ())]


def changed_rows(log: str, table: str, *rows: Mapping[str, Any]) -> Rows:
    return {**ROWS, (log, table): rows}


def about(findings: Any) -> dict[str, set[str]]:
    """Return what was found: rule -> of what."""
    found: dict[str, set[str]] = {}
    for one in findings:
        found.setdefault(one.rule, set()).add(one.about)
    return found


def test_two_books_in_which_all_is_right_have_no_finding() -> None:
    evidence = TwoBooks()
    assert about(books.check(evidence)) == {}
    assert about(balances._balances(evidence, NORTH)) == {}
    assert about(numbers.check(evidence)) == {}
    assert about(_postings(evidence)) == {}


def test_event_of_the_second_book_that_does_not_balance_is_found() -> None:
    wrong = TwoBooks([posted(IN_NORTH, advance=501)])
    found = about(books.check(wrong))
    assert found == {"an event does not balance": {f"{NORTH} 1"}, "trial balance": {NORTH}}


def test_books_that_are_off_by_opposite_sums_are_both_found() -> None:
    wrong = TwoBooks([posted(IN_NORTH, advance=501)], first=[posted(IN_FIRST, advance=499)])
    assert about(books.check(wrong))["trial balance"] == {FIRST, NORTH}


def test_row_of_the_second_book_that_does_not_follow_from_its_log_is_found() -> None:
    wrong = TwoBooks(rows=changed_rows(NORTH, "balances", row_of(IN_NORTH, advance=400)))
    assert about(balances._balances(wrong, NORTH)) == {"balance: advance": {IN_NORTH}}
    missing = TwoBooks(rows=changed_rows(NORTH, "balances"))
    rule = "balance without a log, or a log without one"
    assert about(balances._balances(missing, NORTH)) == {rule: {f"{NORTH} {IN_NORTH}"}}


def test_hole_in_the_log_of_the_second_book_is_found() -> None:
    hole = TwoBooks([msgspec.structs.replace(posted(IN_NORTH), position=2)])
    assert about(balances._logs(hole)) == {"log has a hole": {f"{NORTH} 1"}}


def test_account_that_is_in_both_books_is_found() -> None:
    both = TwoBooks([posted(IN_NORTH), posted(IN_FIRST, 2)])
    assert about(numbers.check(both)) == {"account in several books": {IN_FIRST}}


def test_account_in_a_book_that_does_not_have_its_number_is_found() -> None:
    moved = TwoBooks([posted("0100000002")], changed_rows(NORTH, "balances"))
    assert about(numbers.check(moved)) == {"account in another book": {"0100000002"}}


def test_books_that_know_other_rules_are_found() -> None:
    differ = TwoBooks(rows=changed_rows(NORTH, "book_rules"))
    assert about(numbers.check(differ)) == {"rules of books differ": {NORTH}}


def test_rule_that_is_not_settled_holds_for_nobody_yet() -> None:
    coming = {**RULE, "prefix": "01", "settled": False}
    announced = TwoBooks(rows=changed_rows(NORTH, "book_rules", RULE, coming))
    assert about(numbers.check(announced)) == {}


def test_payment_that_both_books_have_posted_to_one_account_is_found() -> None:
    twice = TwoBooks([posted(IN_FIRST)])
    assert about(_postings(twice)) == {"posted twice": {f"p-{IN_FIRST} {IN_FIRST}"}}


@pytest.mark.parametrize(("first", "rules"), [((), set()), ((1,), {"done twice"})])
def test_command_is_looked_for_in_all_books(first: Sequence[int], rules: set[str]) -> None:
    """It is done by its own book, once; a second book that has done it, too, is one too many."""
    topic = "ledger.charges_adjusted.v1"
    data = {"account": IN_NORTH, "lines": [{"service": "heating", "amount": 100}]}

    def adjusted(position: int) -> Fact:
        fact = msgspec.structs.replace(posted(IN_NORTH, position), topic=topic, data=data)
        return msgspec.structs.replace(fact, actor="staff:clerk")

    command = Belief(
        id="command", at=0.0, who="clerk", what="adjust", outcome="acknowledged",
        data={"account": IN_NORTH, "amount": 100},
    )  # fmt: skip
    evidence = TwoBooks([adjusted(1)], first=[adjusted(one) for one in first], beliefs=[command])
    effect = promises.EFFECTS["adjust"]
    assert about(promises._effect(evidence, command, effect)).keys() == rules
    assert about(promises._content(evidence, command, effect, {})) == {}


def test_relay_reader_and_seal_of_the_second_book_that_stand_still_are_found() -> None:
    whole = {"head": 7, "relay": 7, "live": 7}
    rows: Rows = {
        **{(log, "events"): [whole] for log in (*SERVICES, NORTH)},
        **{(log, "relay"): [{"published": 7}] for log in (*SERVICES, NORTH)},
        (NORTH, "events"): [{**whole, "relay": 5, "size": 5, "waits": 600.0}],
        ("payments", "positions"): [{"upstream": NORTH, "position": 5, "stopped": ""}],
        (NORTH, "positions"): [{"upstream": "accounts", "position": 6, "stopped": ""}],
        (FIRST, "events"): [{**whole, "size": 7, "waits": None}],
    }
    evidence = TwoBooks(rows=rows)
    assert about(_published(evidence)) == {"relay lag": {NORTH}}
    assert about(_reactions(evidence)) == {
        "reaction lag": {f"payments from {NORTH}", f"{NORTH} from accounts"}
    }
    assert about(_sealed(evidence)) == {"seal lag": {NORTH}}


def test_book_in_another_database_is_read_there() -> None:
    class Database:
        def __init__(self, name: str) -> None:
            self.name = name

        def execute(self, query: str, values: Any) -> Any:
            return self

        def fetchall(self) -> list[dict[str, Any]]:
            return [{"of": self.name}]

    here: Any = Database("here")
    evidence = Evidence({"SALDO_LEDGER_BOOKS": "north"}, here)
    assert evidence.rows_of_books("SELECT FROM {book}.balances") == [{"of": "here"}] * 2
    away: Any = Database("away")
    moved = replace(evidence, elsewhere={NORTH: away})
    assert moved.rows_of_books("SELECT FROM {book}.balances") == [{"of": "here"}, {"of": "away"}]


def test_witness_is_believed_after_a_new_epoch_unless_something_was_lost() -> None:
    """A new epoch begins where a book has moved, too, and then nothing is lost."""

    def with_epochs(*notes: Belief) -> Evidence:
        evidence = TwoBooks(beliefs=notes)
        evidence._epochs[NORTH] = {"1": 5, "2": 9}
        return evidence

    def note(what: str, **data: Any) -> Belief:
        return Belief(id=what, at=1.0, who="schedule", what=what, outcome="note", data=data)

    moved = note("fault", did=f"move {NORTH} to saldo_{NORTH}_1")
    assert not with_epochs(moved).is_lost_position(NORTH, 7)
    assert with_epochs(note("lost", since=0.0, until=1.0)).is_lost_position(NORTH, 7)
    assert with_epochs().is_lost_position(NORTH, 7)  # nobody has said what was done

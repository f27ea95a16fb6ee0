"""A ledger of two books under a short load: nothing is found; what is planted in the second one is.

The bugs are those of `bugs/catalogue.py`, brought out by an account of the second book. What no bug
of the product would do is done there with the owner's rights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from random import Random

import psycopg
import pytest

from deploy.demo.charges import all_bills
from deploy.demo.company import demo_accounts, households
from tests.faults.books import accounts_of, owner_url_of
from tests.faults.bugs.hunt import PROCESSES
from tests.faults.bugs.scenarios import Stage, pay_for_two, refund_two
from tests.faults.bugs.switch import turn
from tests.faults.checker.check import CHECKS, check, settle
from tests.faults.checker.findings import Finding
from tests.faults.house import open_house, started_by
from tests.faults.load.beliefs import Notebook
from tests.faults.load.newcomers import Settlers
from tests.faults.load.staff import Clerk, settings_in
from tests.faults.load.subscribers import Subscribers
from tests.faults.threads import beside
from tests.waiting import eventually

pytestmark = pytest.mark.slow
FIRST, NORTH = "ledger", "ledger_north"
SETTLED_S, FOUND_S = 90.0, 60.0
PLANTS = {
    "balance": (
        "UPDATE {book}.balances SET advance = advance + 1 WHERE number = %(account)s",
        "I4", "balance: advance",
    ),
    "reader": (
        "UPDATE {book}.positions SET epoch = '7.deadbeef' WHERE upstream = 'accounts'",
        "I6", "fork unnoticed",
    ),
    "log": (
        (
            "ALTER TABLE {book}.events DISABLE TRIGGER events_append_only;"
            "UPDATE {book}.events SET actor = 'service:nobody' WHERE notification_id = 2;"
            "ALTER TABLE {book}.events ENABLE TRIGGER events_append_only"
        ),
        "I5", "seal",
    ),
}  # fmt: skip
"""What is done with the rights of the second book's owner, and the invariant and rule that say so.
That of the seal comes last: it stays."""


class Stages:
    """Somebody with an account in each book, a clerk who corrects the second one's, subscribers."""

    def __init__(self, stage: Stage, switch: Path) -> None:
        self.stage = stage
        self.environment = stage.environment
        self.known: set[tuple[str, str, str]] = set()
        self._switch = switch

    @property
    def account(self) -> str:
        """The account in the second book."""
        return self.stage.residents[0].accounts[1]

    def settle(self) -> list[Finding]:
        """Wait until nothing is under way; return what still is."""
        _, left = settle(self.environment, self.stage.notebook.path, SETTLED_S)
        return left

    def found(self, *invariants: str) -> list[Finding]:
        """Return what is new."""
        found = check(
            self.environment, self.stage.notebook.path, invariants or CHECKS, own_words=False
        )
        new = [one for one in found if one.key not in self.known]
        self.known |= {one.key for one in found}
        return new

    def with_bug(self, bug: str, play: Callable[[Stage], object]) -> None:
        """Play while a bug is on."""
        turn(self._switch, bug, str(time.monotonic_ns()))
        try:
            play(self.stage)
            self.settle()
        finally:
            turn(self._switch, "", str(time.monotonic_ns()))


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    folder = tmp_path_factory.mktemp("books")
    switch = folder / "bug"
    turn(switch, "", "0")
    prefix = ("tests.faults.bugs.start", "--switch", str(switch))
    with open_house(folder / "saldo", started_by(prefix, PROCESSES), books=2) as house:
        environment, questions = house.environment, SimpleQueue[str]()
        notebook = Notebook(folder / "beliefs.jsonl")
        books = accounts_of(environment)
        own = {
            log: next(one for one in households(demo_accounts()) if books[one.number] == log)
            for log in (FIRST, NORTH)
        }
        settlers = Settlers(
            environment["SALDO_URL"], Path(environment["SALDO_MAIL_DIR"]), list(own.values()),
            notebook, questions,
        )  # fmt: skip
        chance = Random(1)  # noqa: S311 - reproducible
        person = settlers.settle_at_last("resident", chance, accounts=2)
        person.accounts.sort(key=lambda number: books[number])
        bills = [bill for bill in all_bills([own[NORTH]]) if bill.lines]
        settings = settings_in(Path(environment["SALDO_STATE_DIR"]) / "staff" / "clerk.env")
        stage = Stage(house, [person], Clerk(settings, bills, questions, notebook), notebook)
        subscribers = Subscribers(environment, folder, notebook)
        with beside(subscribers.read_queues, subscribers.read_feed, subscribers.read_streams):
            yield Stages(stage, switch)
        subscribers.close()
        notebook.close()


def test_payment_over_both_books_is_posted_by_each_and_nothing_is_found(stages: Stages) -> None:
    refund_two(stages.stage)
    correct(stages.stage)
    assert stages.settle() == []
    assert stages.found() == []
    with psycopg.connect(stages.environment["SALDO_DATABASE_URL"]) as database:
        for log in (FIRST, NORTH):
            [(postings, refunds)] = database.execute(
                "SELECT count(*) FILTER (WHERE topic LIKE 'ledger.payment_posted%%'),"
                " count(*) FILTER (WHERE topic LIKE 'ledger.payment_refunded%%')"
                f" FROM {log}.events"
            ).fetchall()
            assert (postings, refunds) == (1, 1), log


def correct(stage: Stage) -> None:
    """Correct a bill of the second book, by a client that finds it there."""
    client = stage.clerk.client("clerk")
    try:
        stage.clerk.correct_one(client, stage.next_bill(), 0, 12_34 + stage._turn)
    finally:
        client.close()


def test_payment_that_the_second_book_posts_to_another_day_is_found(stages: Stages) -> None:
    stages.with_bug("payment-is-posted-a-day-late", pay_for_two)
    about = {one.about.split()[-1] for one in stages.found("I3") if one.rule == "line"}
    assert stages.account in about


def test_correction_that_the_rows_of_the_second_book_miss_is_found(stages: Stages) -> None:
    stages.with_bug("read-model-misses-an-event-type", correct)
    assert stages.account in {one.about for one in stages.found("I4")}


@pytest.mark.parametrize("name", PLANTS)
def test_judge_finds_each_change_of_rows_in_the_second_book(stages: Stages, name: str) -> None:
    query, invariant, rule = PLANTS[name]
    stages.found()  # what the bugs before it have left behind
    url = owner_url_of(stages.environment, NORTH)
    if invariant == "I5":
        eventually(lambda: sealed(url) > 1, "the second book is sealed", SETTLED_S)
    with psycopg.connect(url) as owner:
        for one in query.replace("{book}", NORTH).split(";"):
            owner.execute(one, {"account": stages.account} if "%(" in one else None)

    def is_found() -> bool:
        new = stages.found(invariant)
        return any(rule == one.rule and names_it(one, stages.account) for one in new)

    eventually(is_found, f"{rule} is found", FOUND_S)


def names_it(finding: Finding, account: str) -> bool:
    return NORTH in finding.about or account in finding.about


def sealed(url: str) -> int:
    """Return how many events of the second book are sealed."""
    with psycopg.connect(url) as owner:
        rows = owner.execute(f"SELECT coalesce(max(size), 0) FROM {NORTH}.checkpoints").fetchall()
    return int(rows[0][0])

"""A book is moved to another database while the others work; each step may break off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from services.ledger import moving
from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.commands.ledger_access import Run
from services.ledger.group_commit import ledger_group_commit
from services.ledger.moving import MoveError, Plan, move, move_back, size_here
from services.ledger.publishing import publish
from services.ledger.replay.audit import audit
from services.ledger.seal.inspection import inspect_seal
from services.ledger.seal.sealer import seal_log
from shared import context
from shared.bus.confirmation import confirm
from shared.bus.epochs import RESTORED, stored_history
from shared.bus.reactions import Reactions
from shared.bus.stream import Sent
from shared.config import SEALER, Settings
from shared.database import connection_info
from shared.errors import Unavailable
from shared.eventstore import freezing, schema_copy
from shared.eventstore.freezing import is_closed, is_frozen
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database, fresh_database, role_of, signed_in_as
from tests.integration.books.two_books import FIRST, NORTH, TwoBooks, Upstreams, with_two_books
from tests.integration.bus_ends import deliveries, open_one, pay
from tests.integration.ledger.sealed_ledger import KEYS
from tests.waiting import eventually

NUMBERS = {FIRST: "0100000001", NORTH: "7700000001"}
RUN = Run(verb="move-book", by="staff:petrova", reason="a server of its own")
STEPS = ("migrate", "copy_ahead", "freeze", "copy_schema", "digests", "close", "thaw")
BEFORE_ALL = {("migrate", False), ("migrate", True), ("copy_ahead", False), ("copy_ahead", True)}
BEFORE_ALL |= {("freeze", False)}
"""Until then the book goes on to work: before a step (False), or when it is done (True)."""


@dataclass
class Move:
    """A book that is to move, and where to."""

    books: TwoBooks
    there: Database

    @property
    def plan(self) -> Plan:
        url = self.there.settings.database_url_of(FIRST)
        role = role_of(NORTH)
        return Plan(
            NORTH,
            self.books.settings.database_url,
            self.there.settings.database_url,
            signed_in_as(url, role, "saldo-test"),
            self.there.settings.database_url_of(SEALER),
            (role, f"{role}_writer", f"{role}_reader"),
        )

    def moved_store(self) -> PostgresStore:
        """Open the book as its processes do once they have their new settings."""
        moved = {**self.there.settings.database_urls, NORTH: self.plan.runtime_url}
        self.there.settings = replace(
            self.books.settings,
            database_url=self.there.settings.database_url,
            database_urls=moved,
        )
        return self.there.unconfirmed_store(NORTH)

    def owner(self, *, there: bool = False) -> psycopg.Connection[Any]:
        return psycopg.connect(self.plan.there if there else self.plan.here, autocommit=True)


@pytest.fixture
def books(base_settings: Settings, template: tuple[Settings, str]) -> Iterator[TwoBooks]:
    with fresh_database(base_settings, template) as first:
        made = with_two_books(first)
        for log, number in NUMBERS.items():
            open_one(made.store(log), number)
            pay(made.store(log), 5, number)
        yield made


@pytest.fixture
def planned(books: TwoBooks, second_database: Database) -> Move:
    return Move(books, second_database)


def posts(
    store: PostgresStore,
    payment: UUID,
    command: UUID | None = None,
    execute: Callable[..., Any] | None = None,
) -> Any:
    line = PaidLine(account=NUMBERS[store.service], amount=100, penalty=0)
    asked = PostPayment(payment_id=payment, paid_on=store.clock.today(), lines=(line,))
    with context.bind(command_id=command or uuid4()):
        return (execute or store.execute)(post_payment, asked)


def head(store: PostgresStore) -> int:
    return store.query(lambda session: stored_history(session.cursor)[0].head)


def payments(store: PostgresStore) -> int:
    row = store.query(
        lambda session: session.cursor.execute(
            "SELECT count(*) AS count FROM payment_postings"
        ).fetchone()
    )
    return int(row["count"])


def test_a_book_moves_whole_and_works_on_there(planned: Move) -> None:
    here = planned.books.store(NORTH)
    payment, command = uuid4(), uuid4()
    result = posts(here, payment, command)
    info = connection_info(
        planned.books.settings.sealer_url_of(NORTH), NORTH, statement_timeout_ms=0
    )
    with psycopg.connect(info, row_factory=psycopg.rows.dict_row) as sealer:
        sealed = seal_log(sealer.cursor(), KEYS)
    assert sealed is not None
    size = size_here(planned.plan)
    assert size > 0
    copied: list[int] = []
    moved = move(planned.plan, RUN, progress=copied.append)
    assert moved.rows["events"] == 7
    assert sum(copied) > 0
    there = planned.moved_store()
    assert head(there) == 7
    # What was answered is answered again, and done once.
    assert posts(there, payment, command) == result
    assert head(there) == 7
    posts(there, uuid4())
    assert head(there) == 8
    assert audit(there, workers=1).differences == []
    with there.reading() as cursor:
        assert inspect_seal(cursor, KEYS.trusted, [sealed.note]).findings == []
    kept = there.query(
        lambda session: session.cursor.execute(
            "SELECT convert_from(result, 'UTF8') AS result FROM commands"
        ).fetchall()
    )
    assert sum('"verb":"move-book"' in row["result"] for row in kept) == 1


def test_nobody_is_served_where_the_book_was(planned: Move) -> None:
    here = planned.books.store(NORTH)
    move(planned.plan, RUN)
    for ask in (
        lambda: posts(here, uuid4()),
        lambda: head(here),
        lambda: payments(here),
        lambda: here.transact(lambda session, _: session.read.closed_through(), None),
    ):
        with pytest.raises(Unavailable):
            ask()
    first = planned.books.store(FIRST)
    posts(first, uuid4())
    assert head(first) == 7


def test_whoever_writes_meanwhile_is_told_to_try_again_and_reads_go_on(planned: Move) -> None:
    here, first = planned.books.store(NORTH), planned.books.store(FIRST)
    seen, together = [], ledger_group_commit(here)

    def look(step: str) -> None:
        seen.append(step)
        if step in ("ahead", "freezing"):
            assert posts(here, uuid4())
            return
        for execute in (here.execute, together.execute):
            with pytest.raises(Unavailable):
                posts(here, uuid4(), execute=execute)
        with pytest.raises(psycopg.Error, match="being moved"):
            Reactions(Upstreams(planned.books.settings, here, {}), here, "accounts", {}).quarantine(
                deliveries(first)[0], "damaged"
            )
        assert (head(here), payments(here)) == (8, 7)
        posts(first, uuid4())

    move(planned.plan, RUN, look)
    assert seen == ["ahead", "freezing", "copying", "comparing", "switching"]
    assert head(first) == 6 + 3
    assert head(planned.moved_store()) == 8


class KilledError(Exception):
    """The process that moves the book is no more."""


def killed(*_: Any, **__: Any) -> None:
    raise KilledError


def kill_at(plan: Plan, step: str, monkeypatch: pytest.MonkeyPatch, *, done: bool) -> None:
    """Have the process killed before a step, or when it has just been done."""
    real: Callable[..., Any] = getattr(moving, step)

    def run(*arguments: Any, **options: Any) -> Any:
        if step == "freeze" and arguments[0].info.dbname not in plan.here:
            return real(*arguments, **options)
        if done:
            real(*arguments, **options)
        raise KilledError

    monkeypatch.setattr(moving, step, run)


def break_off(planned: Move, monkeypatch: pytest.MonkeyPatch, step: str, *, done: bool) -> None:
    """Move the book until the process is killed at a step."""
    with monkeypatch.context() as patched:
        kill_at(planned.plan, step, patched, done=done)
        with pytest.raises(KilledError):
            move(planned.plan, RUN)


def can_be_written(store: PostgresStore) -> bool:
    try:
        posts(store, uuid4())
    except Unavailable:
        return False
    return True


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_move_that_broke_off_goes_on(
    planned: Move, monkeypatch: pytest.MonkeyPatch, step: str, done: bool
) -> None:
    here = planned.books.store(NORTH)
    break_off(planned, monkeypatch, step, done=done)
    is_before_all = (step, done) in BEFORE_ALL
    assert can_be_written(here) == is_before_all
    before = 7 if is_before_all else 6
    move(planned.plan, RUN)
    move(planned.plan, RUN)  # and repeated has no effect
    there = planned.moved_store()
    assert head(there) == before
    assert can_be_written(there)
    assert not can_be_written(here)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS[:-1])
def test_a_move_that_broke_off_can_be_given_up(
    planned: Move, monkeypatch: pytest.MonkeyPatch, step: str, done: bool
) -> None:
    here = planned.books.store(NORTH)
    break_off(planned, monkeypatch, step, done=done)
    move_back(planned.plan)
    move_back(planned.plan)
    assert can_be_written(here)
    assert (head(here), payments(here)) == (7, 6)
    with planned.owner(there=True) as there:
        found = there.execute("SELECT FROM pg_namespace WHERE nspname = %s", (NORTH,))
        assert found.fetchone() is None
    move(planned.plan, RUN)
    assert head(planned.moved_store()) == 7


def test_what_has_moved_is_not_taken_back_by_giving_up(planned: Move) -> None:
    move(planned.plan, RUN)
    posts(planned.moved_store(), uuid4())
    with pytest.raises(MoveError, match="has moved"):
        move_back(planned.plan)
    assert not can_be_written(planned.books.database.unconfirmed_store(NORTH))


def test_a_copy_that_differs_does_not_take_over(
    planned: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = moving.copy_schema

    def lose_a_row(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        with planned.owner(there=True) as there, there.transaction():
            there.execute(f"ALTER TABLE {NORTH}.payment_postings DISABLE TRIGGER USER")
            there.execute(f"UPDATE {NORTH}.payment_postings SET amount = amount + 1")
            there.execute(f"ALTER TABLE {NORTH}.payment_postings ENABLE TRIGGER USER")

    with monkeypatch.context() as patched:
        patched.setattr(moving, "copy_schema", lose_a_row)
        with pytest.raises(MoveError, match="payment_postings"):
            move(planned.plan, RUN)
    with planned.owner() as here, planned.owner(there=True) as there:
        assert is_frozen(here, NORTH)
        assert is_frozen(there, NORTH)
        assert not is_closed(here, NORTH)
    move(planned.plan, RUN)
    assert payments(planned.moved_store()) == 5


def test_a_log_that_was_begun_there_with_other_events_does_not_take_over(
    planned: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was copied ahead is compared, too: here one of its events was changed since."""
    monkeypatch.setattr(schema_copy, "LITTLE", 0)
    with monkeypatch.context() as patched:
        kill_at(planned.plan, "copy_ahead", patched, done=True)
        with pytest.raises(KilledError):
            move(planned.plan, RUN)
    with planned.owner(there=True) as there, there.transaction():
        there.execute(f"ALTER TABLE {NORTH}.events DISABLE TRIGGER USER")
        there.execute(f"UPDATE {NORTH}.events SET actor = 'x' WHERE notification_id = 3")
        there.execute(f"ALTER TABLE {NORTH}.events ENABLE TRIGGER USER")
    with pytest.raises(MoveError, match="--back"):
        move(planned.plan, RUN)
    assert can_be_written(planned.books.store(NORTH))
    move_back(planned.plan)
    move(planned.plan, RUN)
    assert head(planned.moved_store()) == 7


def test_no_log_is_overwritten(planned: Move) -> None:
    with pytest.raises(MoveError, match="the same"):
        move(planned.plan._replace(there=planned.plan.here), RUN)
    assert can_be_written(planned.books.store(NORTH))
    other = with_two_books(planned.there)
    open_one(other.store(NORTH), NUMBERS[NORTH])
    with pytest.raises(MoveError, match="at work"):
        move(planned.plan, RUN)
    assert can_be_written(planned.books.store(NORTH))
    assert head(other.store(NORTH)) == 1


def test_a_book_that_has_moved_can_move_on_to_where_it_was(planned: Move) -> None:
    move(planned.plan, RUN)
    back = planned.plan._replace(
        here=planned.plan.there,
        there=planned.plan.here,
        runtime_url=planned.books.settings.database_url_of(NORTH),
    )
    with pytest.raises(MoveError, match="drop the schemas"):
        move(back, RUN)
    with planned.owner() as owner:
        owner.execute(f"DROP SCHEMA {NORTH}, {NORTH}_moved CASCADE")
    move(back, RUN)
    assert can_be_written(planned.books.store(NORTH))


def test_the_log_begins_a_new_epoch_there_and_readers_go_on(planned: Move) -> None:
    payments_ = planned.books.store("payments")
    here = planned.books.store(NORTH)
    services = Upstreams(planned.books.settings, payments_, {NORTH: here})
    heard: list[int] = []
    handlers = {"payment_posted": lambda session, message, services: heard.append(message.position)}
    reactions = Reactions(services, payments_, NORTH, handlers)
    published = deliveries(here)
    history = here.query(lambda session: stored_history(session.cursor)[0])
    sent = Sent(
        history.current.name,
        history.head,
        here.query(
            lambda session: session.cursor.execute(
                "SELECT max(recorded_at) AS at FROM events"
            ).fetchone()["at"]
        ),
    )
    reactions.apply(published)
    move(planned.plan, RUN)
    there = planned.moved_store()
    with planned.there.runtime(NORTH) as connection:
        epoch = confirm(connection, there, publish, lambda: sent)
    assert (epoch.reason, epoch.after) == (RESTORED, 6)
    posts(there, uuid4())
    services.stores[NORTH] = there
    found = there.query(lambda session: stored_history(session.cursor)[0])
    assert reactions.look(found) == ""
    reactions.apply([one for one in deliveries(there) if one.headers["saldo_position"] > 6])
    assert heard == [2, 3, 4, 5, 6, 7]


def test_each_payment_that_is_sent_until_it_is_taken_is_posted_once(
    planned: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cash desks of both books work on while one of them moves, its log being copied ahead."""
    monkeypatch.setattr(schema_copy, "LITTLE", 0)
    monkeypatch.setattr(schema_copy, "PIECE", 3)
    stores = {log: planned.books.store(log) for log in NUMBERS}
    stop, refused = threading.Event(), dict.fromkeys(NUMBERS, 0)
    sent: dict[str, list[UUID]] = {log: [] for log in NUMBERS}
    failed: list[BaseException] = []

    def desk(log: str) -> None:
        while not stop.is_set():
            payment, command, taken = uuid4(), uuid4(), False
            sent[log].append(payment)
            while not taken:
                try:
                    posts(stores[log], payment, command)
                    taken = True
                except Unavailable:
                    refused[log] += 1
                    stop.wait(0.02)
                except BaseException as error:  # noqa: BLE001 - the test fails by it
                    failed.append(error)
                    return

    threads = [threading.Thread(target=desk, args=(log,)) for log in NUMBERS for _ in range(2)]
    for thread in threads:
        thread.start()
    eventually(lambda: all(len(one) > 5 for one in sent.values()), "both desks are at work")
    move(planned.plan, RUN)
    at_the_end = len(sent[FIRST])
    stores[NORTH] = planned.moved_store()
    so_far = len(sent[NORTH])
    eventually(lambda: len(sent[NORTH]) > so_far + 5, "the desk of the book goes on")
    stop.set()
    for thread in threads:
        thread.join(30)
    assert failed == []
    assert refused[FIRST] == 0
    assert refused[NORTH] > 0
    assert len(sent[FIRST]) >= at_the_end > 5
    for log, store in stores.items():
        rows = store.query(
            lambda session: session.cursor.execute(
                "SELECT payment_id FROM payment_postings"
            ).fetchall()
        )
        posted = [row["payment_id"] for row in rows]
        assert len(posted) == len(set(posted)) == 5 + len(sent[log])
        assert set(sent[log]) <= set(posted)


@pytest.fixture
def third_database(base_settings: Settings, template: tuple[Settings, str]) -> Iterator[Database]:
    with fresh_database(base_settings, template) as third:
        yield third


@pytest.mark.parametrize("step", ["copy_schema", "close"])
def test_a_copy_that_was_left_behind_never_takes_over(
    planned: Move, third_database: Database, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A move to one database breaks off when all is copied, and another one is taken instead."""
    here = planned.books.store(NORTH)
    elsewhere = Move(planned.books, third_database)
    with monkeypatch.context() as patched:
        kill_at(planned.plan, step, patched, done=step == "copy_schema")
        with pytest.raises(KilledError):
            move(planned.plan, RUN)
    move(elsewhere.plan, RUN)
    live = elsewhere.moved_store()
    assert can_be_written(live)
    with pytest.raises(MoveError, match="not to there"):
        move(planned.plan, RUN)
    with pytest.raises(MoveError, match="not to there"):
        move_back(planned.plan)
    left = planned.moved_store()
    assert not can_be_written(left)
    assert not can_be_written(here)
    assert can_be_written(live)


def test_a_move_after_one_that_was_not_tidied_up_waits_for_who_writes(
    planned: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run was killed while it gave the book back: its triggers are there, and refuse nothing."""
    here, refused = planned.books.store(NORTH), threading.Event()
    with monkeypatch.context() as patched:
        kill_at(planned.plan, "copy_schema", patched, done=False)
        with pytest.raises(KilledError):
            move(planned.plan, RUN)
    with monkeypatch.context() as patched:
        patched.setattr(freezing, "_change_patiently", killed)
        with pytest.raises(KilledError):
            move_back(planned.plan)
    assert can_be_written(here)
    with planned.owner() as owner:
        writer = psycopg.connect(planned.plan.here, options=f"-c search_path={NORTH}")
        writer.execute("UPDATE relay SET position = position")

        def freezes() -> None:
            freezing.freeze(owner, NORTH)
            refused.set()

        thread = threading.Thread(target=freezes)
        thread.start()
        assert not refused.wait(2.0)
        writer.commit()
        writer.close()
        thread.join(20)
        assert refused.is_set()
        assert is_frozen(owner, NORTH)
    assert not can_be_written(here)

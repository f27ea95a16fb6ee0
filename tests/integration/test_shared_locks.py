"""Several tasks of a service lead by one connection: each has its lock, all lose them together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from shared.bus.leadership import Lead, LockConnection, lead
from tests.conftest import Database
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

HOLDERS = """
SELECT pid FROM pg_locks
 WHERE locktype = 'advisory' AND granted AND objsubid = 1
   AND ((classid::bigint << 32) | objid::bigint) = hashtextextended(%s, 0)
"""


class Task:
    """A task that leads until it is told to end."""

    def __init__(self, database: Database, name: str, shared: LockConnection) -> None:
        self.name = name
        self.lead: Lead | None = None
        self.failed: BaseException | None = None
        self.ended = threading.Event()
        self._database, self._shared = database, shared
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            lead(self._database.settings, "ledger", self.name, self.ended, self._work, self._shared)
        except psycopg.Error as error:
            self.failed = error

    def _work(self, lead: Lead) -> None:
        self.lead = lead
        while not self.ended.wait(0.05):
            lead.check()

    def end(self) -> None:
        self.ended.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


Begin = Callable[[str], Task]


@pytest.fixture
def begin(database: Database) -> Iterator[Begin]:
    shared, begun = LockConnection(database.settings, "ledger"), list[Task]()

    def begin_one(name: str) -> Task:
        begun.append(Task(database, name, shared))
        eventually(lambda: begun[-1].lead, f"{name} leads")
        return begun[-1]

    yield begin_one
    for task in begun:
        task.end()


def holders(database: Database, task: str) -> list[int]:
    with database.store("ledger").transaction() as cursor:
        rows: list[Any] = cursor.execute(HOLDERS, (f"ledger.{task}",)).fetchall()
    return [row["pid"] for row in rows]


def test_tasks_lead_by_one_connection_and_leave_alone(database: Database, begin: Begin) -> None:
    first, second = begin("first"), begin("second")
    [pid] = holders(database, "first")
    assert holders(database, "second") == [pid]
    first.end()
    assert holders(database, "first") == []
    assert holders(database, "second") == [pid]
    assert second.failed is None
    again = begin("first")
    assert holders(database, "first") == [pid]
    for task in (second, again):
        task.end()
    eventually(lambda: not holders(database, "second"), "the connection has ended")


def test_lost_connection_ends_every_lead_by_it(database: Database, begin: Begin) -> None:
    tasks = [begin("first"), begin("second")]
    terms = [task.lead.term for task in tasks if task.lead]
    [pid] = holders(database, "first")
    with database.store("ledger").transaction() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
    eventually(lambda: all(task.failed for task in tasks), "both know")
    again = [begin("first"), begin("second")]
    [other] = holders(database, "first")
    assert other != pid
    assert holders(database, "second") == [other]
    assert [task.lead.term for task in again if task.lead] == [term + 1 for term in terms]


def test_lock_of_another_process_is_waited_for(database: Database, begin: Begin) -> None:
    own = Task(database, "first", LockConnection(database.settings, "ledger"))
    eventually(lambda: own.lead, "it leads")
    second = begin("second")
    [held] = holders(database, "first")
    assert holders(database, "second") != [held]
    waiting = Task(database, "first", second._shared)
    waiting.ended.wait(1.0)
    assert waiting.lead is None
    own.end()
    eventually(lambda: waiting.lead, "it takes over")
    assert holders(database, "first") == holders(database, "second")
    waiting.end()

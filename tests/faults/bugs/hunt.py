"""The hunt: one house, its bugs switched on one after another, each with a short load."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.faults.books import logs_in
from tests.faults.bugs.catalogue import BUGS, Bug
from tests.faults.bugs.scenarios import HARMLESS, SCENARIOS, Stage
from tests.faults.bugs.switch import turn
from tests.faults.checker.check import CHECKS, check, settle
from tests.faults.checker.findings import Finding
from tests.faults.checker.postings import banks_of
from tests.faults.house import RunningHouse, open_house, started_by
from tests.faults.load.subscribers import Subscribers
from tests.faults.threads import beside
from tests.waiting import eventually

PROCESSES = frozenset({"serve", "work", "gateway", "seal"})
SETTLED_S, PATIENCE_S = 6.0, 30.0
"""So long is waited for what settles; and for a bug that is not reported yet, on a busy machine."""
STILL_S = 2.0
"""Where nothing lags any more for so long, and a bug is reported, nothing will settle it."""
_OF_ONE_MOMENT = frozenset({"I1", "I2", "I4", "I5", "I6"})
"""What these say holds at each moment, whatever is under way; readers of I6 are waited for."""
_LAGS = frozenset({"relay lag", "live lag", "reaction lag", "outage", "letter waits"})
QUIET_S = 30.0
READ_S = 6.0
LOOK_EVERY_S = 0.3
"""A look at everything is a connection, dozens of queries and some requests."""

Key = tuple[str, str, str]

_IS_SEALED = """
SELECT coalesce((SELECT max(size) FROM ledger.checkpoints), 0)
    >= (SELECT coalesce(max(notification_id), 0) FROM ledger.events)
"""


@dataclass
class Hunt:
    """A house in which bugs can be switched on."""

    house: RunningHouse
    stage: Stage
    switch: Path
    subscribers: Subscribers
    known: set[Key] = field(default_factory=set)
    """What earlier bugs have left behind."""

    @property
    def beliefs(self) -> Path:
        return self.stage.notebook.path

    def play_without_bugs(self, scenarios: Collection[str]) -> list[Finding]:
        """Play scenarios with no bug on, and return what is found: there should be nothing."""
        for name in scenarios:
            SCENARIOS[name](self.stage)
        for bank in banks_of(self.house.environment):
            bank.set_faults(end_sessions=True)
        settle(self.house.environment, self.beliefs, QUIET_S)
        for bank in banks_of(self.house.environment):
            bank.clear_faults()
        self._let_readers_come({"I6"})
        return self._new(CHECKS)

    def find(self, bug: Bug) -> list[Finding]:
        """Switch a bug on, play its scenario; return what is new of it, and switch it off."""
        self._new(bug.found_by)  # that which bugs of other invariants have left behind
        turn(self.switch, bug.name, str(time.monotonic_ns()))
        try:
            SCENARIOS[bug.scenario](self.stage)
            self._settle(bug)
            self._let_readers_come(bug.found_by)
            return self._found(bug)
        finally:
            turn(self.switch, "", str(time.monotonic_ns()))
            if bug.scenario == "change_password":
                self.stage.sign_in_again()

    def _settle(self, bug: Bug) -> None:
        """Wait until nothing is unresolved but what earlier bugs have left so, or for a while.

        Not for all of it where the bug is found, and what is left does not move any more or does
        not matter.
        """
        at_once = _OF_ONE_MOMENT.issuperset(bug.found_by)
        began = time.monotonic()
        still_since: float | None = None
        while (now := time.monotonic()) < began + PATIENCE_S:
            _, left = settle(self.house.environment, self.beliefs, 0.0)
            new = [one for one in left if one.key not in self.known]
            if not new:
                return
            still_since = None if any(one.rule in _LAGS for one in new) else still_since or now
            is_still = still_since is not None and now - still_since > STILL_S
            if (at_once or is_still or now > began + SETTLED_S) and self._finds(bug):
                return
            time.sleep(LOOK_EVERY_S)

    def _found(self, bug: Bug) -> list[Finding]:
        """Return what is new, from several looks where the bug is not in the first one.

        A busy house may have refused or delayed a question of the checker's, which says nothing.
        """
        ends = time.monotonic() + PATIENCE_S
        found = self._new(bug.found_by)
        while not bug.is_found_by(found) and time.monotonic() < ends:
            time.sleep(LOOK_EVERY_S)
            found += self._new(bug.found_by)
        return found

    def _finds(self, bug: Bug) -> bool:
        found = check(self.house.environment, self.beliefs, bug.found_by, own_words=False)
        return bug.is_found_by(one for one in found if one.key not in self.known)

    def _let_readers_come(self, invariants: Collection[str]) -> None:
        """Wait until those by whom invariants are judged are at the ends of the logs.

        Not for ever: the bug may be what keeps them from it.
        """
        url = self.house.environment["SALDO_DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as database, suppress(AssertionError):
            if "I5" in invariants:
                eventually(lambda: _is_sealed(database), "the log is sealed", READ_S)
            if "I6" in invariants:
                eventually(lambda: self._is_read(database), "all is read", READ_S)

    def _is_read(self, database: psycopg.Connection[Any]) -> bool:
        """Return whether each subscriber has got whatever is published, to the ends of the logs."""
        for service in logs_in(self.house.environment):
            row = database.execute(
                f"SELECT published, position, (SELECT coalesce(max(notification_id), 0)"
                f" FROM {service}.events) FROM {service}.relay"
            ).fetchone()
            assert row is not None
            if row[1] < row[2]:
                return False
            if any(one.positions[service] < row[0] for one in self.subscribers.journals.values()):
                return False
        return True

    def _new(self, invariants: Collection[str]) -> list[Finding]:
        found = check(self.house.environment, self.beliefs, invariants, own_words=False)
        new = [one for one in found if one.key not in self.known]
        self.known |= {one.key for one in found}
        return new


@contextmanager
def open_hunt(folder: Path) -> Iterator[Hunt]:
    """Run a house with all bugs planted and none switched on, with residents and subscribers."""
    switch = folder / "bug"
    turn(switch, "", "0")
    prefix = ("tests.faults.bugs.start", "--switch", str(switch))
    with open_house(folder / "saldo", started_by(prefix, PROCESSES)) as house:
        stage = Stage.set(house, folder)
        subscribers = Subscribers(house.environment, folder, stage.notebook)
        reads = (subscribers.read_queues, subscribers.read_feed, subscribers.read_streams)
        with beside(*reads):
            yield Hunt(house, stage, switch, subscribers)
        subscribers.close()
        stage.notebook.close()


def hunt(
    folder: Path, names: Sequence[str] = tuple(BUGS), tell: Callable[[str], None] = lambda _: None
) -> list[str]:
    """Hunt some bugs; return a sentence for each that was not found, and for false alarms."""
    failures = []
    with open_hunt(folder) as running:
        bugs = [BUGS[name] for name in names]
        scenarios = dict.fromkeys(bug.scenario for bug in bugs if bug.scenario in HARMLESS)
        began = time.monotonic()
        for one in running.play_without_bugs(scenarios):
            failures.append(f"without a bug: {one}")
        tell(f"{time.monotonic() - began:5.1f} s  without a bug: {failures or 'nothing found'}")
        for bug in bugs:
            began = time.monotonic()
            found = running.find(bug)
            by = [one for one in found if bug.is_found_by([one])]
            if not by:
                failures.append(f"{bug.name} is not found by {' or '.join(bug.found_by)}")
            tell(f"{time.monotonic() - began:5.1f} s  {bug.name}: {(*by, 'NOT FOUND')[0]}")
    return failures


def _is_sealed(database: psycopg.Connection[Any]) -> bool:
    row = database.execute(_IS_SEALED).fetchone()
    return bool(row and row[0])

"""The town: residents, newcomers, staff and subscribers at once, against one installation."""

from __future__ import annotations

import threading
import traceback
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from random import Random

from deploy.demo.charges import Bill, all_bills
from deploy.demo.company import demo_accounts, households
from tests.faults.books import accounts_of
from tests.faults.checker.postings import banks_of
from tests.faults.load.beliefs import Notebook
from tests.faults.load.newcomers import Settlers
from tests.faults.load.residents import Resident
from tests.faults.load.staff import BankDesk, Clerk, Operator, settings_in
from tests.faults.load.subscribers import Subscribers
from tests.faults.threads import Work, beside

ACCOUNTS_OF_ONE = 2


class Town:
    """Everybody who uses an installation, with the file of what they believe.

    `folder` gets the files of the subscribers. Those who use it can stop before those who read.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        folder: Path,
        notebook: Notebook,
        seed: int,
        people: int,
    ) -> None:
        self._notebook = notebook
        self._seed = seed
        self._failed: list[str] = []
        questions: SimpleQueue[str] = SimpleQueue()
        candidates = households(demo_accounts())
        bills = [bill for bill in all_bills(candidates) if bill.lines]
        state = Path(environment["SALDO_STATE_DIR"])
        self._subscribers = Subscribers(environment, folder, notebook)
        self._settlers = Settlers(
            environment["SALDO_URL"],
            Path(environment["SALDO_MAIL_DIR"]),
            candidates,
            notebook,
            questions,
        )
        clerk = Clerk(settings_in(state / "staff" / "clerk.env"), bills, questions, notebook)
        books, by_book = accounts_of(environment), defaultdict[str, list[Bill]](list)
        for bill in bills:
            by_book[books[bill.account.number]].append(bill)
        operator = Operator(state / "staff" / "operator.env", by_book, folder, notebook)
        self._users: dict[str, Work] = {
            "newcomers": partial(self._settlers.run, chance=self._chance("newcomers")),
            "clerk corrects": partial(clerk.correct, chance=self._chance("clerk")),
            "clerk answers": clerk.answer,
            "operator": partial(operator.run, chance=self._chance("operator")),
        }
        if banks := banks_of(environment):
            desk = BankDesk(banks, notebook)
            self._users["bank's desk"] = partial(desk.run, chance=self._chance("desk"))
        self._readers: dict[str, Work] = {
            "queue subscriber": self._subscribers.read_queues,
            "feed subscriber": self._subscribers.read_feed,
            "stream subscriber": self._subscribers.read_streams,
        }
        self._people = people

    def settle(self) -> None:
        """Let the residents register and link, before there is any trouble."""
        with ThreadPoolExecutor(self._people) as pool:
            settled = list(pool.map(self._settle_one, range(self._people)))
        self._users |= {person.who: person.run for person in settled}

    def watcher(self) -> str:
        """Return the token of one more person, who only looks."""
        watcher = self._settlers.settle_at_last("watcher", self._chance("watcher"), accounts=1)
        return watcher.token

    @property
    def failed(self) -> list[str]:
        """Defects of the load itself, which make a verdict worthless."""
        return self._failed

    @contextmanager
    def readers(self) -> Iterator[None]:
        """Let the subscribers read for the length of a block."""
        with beside(*self._guarded(self._readers)):
            yield
        self._subscribers.close()

    @contextmanager
    def users(self) -> Iterator[None]:
        """Let everybody else use the installation for the length of a block."""
        with beside(*self._guarded(self._users)):
            yield

    def _settle_one(self, number: int) -> Resident:
        who = f"resident {number + 1}"
        return self._settlers.settle_at_last(who, self._chance(who), accounts=ACCOUNTS_OF_ONE)

    def _chance(self, who: str) -> Random:
        return Random(f"{self._seed} {who}")  # noqa: S311 - no secret

    def _guarded(self, works: Mapping[str, Work]) -> list[Work]:
        return [partial(self._run, name, work) for name, work in works.items()]

    def _run(self, name: str, work: Work, stop: threading.Event) -> None:
        try:
            work(stop)
        except Exception:  # noqa: BLE001 - told in the verdict
            self._failed.append(f"{name}: {traceback.format_exc()}")

"""The run: persons, trouble and the watch side by side, then the books."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from deploy.demo.acquirer_page import PageError
from deploy.demo.client import CabinetClient
from deploy.demo.company import demo_accounts, households
from deploy.demo.journey import register, set_up_cabinet, try_to_link
from deploy.demo.letters import Mailbox
from deploy.demo.person import Journey
from deploy.demo.report import Report
from deploy.embedded.installation import Installation
from shared.clock import SystemClock
from tests.faults.thousand_orders.banks import Bank
from tests.faults.thousand_orders.books import Books, differences, read_books, unresolved
from tests.faults.thousand_orders.honesty import Watch
from tests.faults.thousand_orders.own_books import own_findings
from tests.faults.thousand_orders.payers import Person, Tally
from tests.faults.thousand_orders.trouble import Trouble
from tests.faults.threads import beside

ACCOUNTS_OF_ONE = 2
SETTLED_S = 60.0
LOOK_EVERY_S = 1.0

Tell = Callable[[str], None]


@dataclass
class Result:
    """What came of a run; it went well where nothing was found."""

    payments: int = 0
    looks: int = 0
    settled_after: float = 0.0
    taken: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)


def run(
    installation: Installation, orders: int, seed: int, seconds: float, people: int, tell: Tell
) -> Result:
    """Make orders and trouble for at most some seconds, then settle and compare."""
    environment = installation.environment
    database_url = environment["SALDO_DATABASE_URL"]
    banks = [
        Bank("acquirer", environment["SALDO_ACQUIRER_URL"]),
        Bank("yookassa", environment["SALDO_ACQUIRER_KASSA_URL"]),
    ]
    clock = SystemClock(environment["SALDO_TIMEZONE"])
    began = clock.today()
    known_before = frozenset(one.payment_id for one in read_books(banks, database_url).entries)
    tally = Tally(orders)
    persons, tokens = _persons(installation, people, tally, seed)
    tell(f"{people} persons have two accounts each")
    trouble = Trouble(installation, banks, seed)
    watch = Watch(banks, database_url, tally, tokens, environment["SALDO_URL"], seed)
    stop = threading.Event()
    works = (trouble.make_faults, trouble.kill, watch.run)
    with beside(*works, stop=stop), ThreadPoolExecutor(people) as pool:
        turns = [pool.submit(person.run, stop) for person in persons]
        _wait(turns, stop, seconds, lambda: tell(_progress(tally, watch, trouble)))
        for turn in turns:
            turn.result()
    trouble.end()
    tell("the trouble is over; settling")
    books, left, after = _settle(lambda: read_books(banks, database_url, known_before))
    own = [found for day in {began, clock.today()} for found in own_findings(environment, day)]
    return Result(
        payments=len(tally.started()),
        looks=watch.looks,
        settled_after=after,
        taken=sum(order.money.kept for order in books.orders.values()),
        counts=tally.counts + trouble.counts + _logged(installation),
        found=[*tally.violations, *watch.found, *differences(books), *left, *own],
    )


def _persons(
    installation: Installation, people: int, tally: Tally, seed: int
) -> tuple[list[Person], dict[int, str]]:
    environment = installation.environment
    url = environment["SALDO_URL"]
    candidates = households(demo_accounts())
    random.Random(seed).shuffle(candidates)  # noqa: S311 - no secret
    persons, tokens = [], {}
    for number in range(people):
        client = CabinetClient(url, patience=60)
        mailbox = Mailbox(Path(environment["SALDO_MAIL_DIR"]))
        journey = Journey(client, Report(), mailbox, candidates)
        register(journey)
        set_up_cabinet(journey)
        accounts: list[str] = []
        while len(accounts) < ACCOUNTS_OF_ONE:
            account = candidates.pop()
            if try_to_link(client, account):
                accounts.append(account.number)
        tokens[number] = client.token or ""
        persons.append(Person(number, url, tokens[number], accounts, tally, seed * 100 + number))
    return persons, tokens


def _wait(
    turns: Sequence[Future[None]], stop: threading.Event, seconds: float, tell: Callable[[], None]
) -> None:
    ends = time.monotonic() + seconds
    while not all(turn.done() for turn in turns):
        if time.monotonic() > ends:
            stop.set()
            return
        stop.wait(5.0)
        tell()


def _settle(look: Callable[[], Books]) -> tuple[Books, list[str], float]:
    """Return the books once nothing is under way, or after a minute; what is, and the seconds."""
    began = time.monotonic()
    while True:
        try:
            books = look()
        except (psycopg.Error, PageError):
            time.sleep(LOOK_EVERY_S)
            continue
        left, after = unresolved(books), time.monotonic() - began
        if not (left or differences(books)) or after > SETTLED_S:
            return books, left, after
        time.sleep(LOOK_EVERY_S)


def _logged(installation: Installation) -> Counter[str]:
    """Return how often our processes have logged which errors."""
    counts: Counter[str] = Counter()
    for name in ("serve", "work", "gateway"):
        for line in installation.state.log_of(name).read_text(encoding="utf-8").splitlines():
            if '"level": "error"' in line:
                entry = json.loads(line)
                event = entry["event"].partition(":")[0][:60]
                counts[f"logged by {name}: {event} {entry.get('error', '')}".rstrip()] += 1
    return counts


def _progress(tally: Tally, watch: Watch, trouble: Trouble) -> str:
    kills = sum(count for what, count in trouble.counts.items() if what.startswith("killed"))
    return (
        f"{len(tally.started())} of {tally.wanted} payments, {watch.looks} looks, "
        f"{len(watch.found)} untrue, {kills} kills"
    )

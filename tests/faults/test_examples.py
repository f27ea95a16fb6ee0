"""The subscribers of examples/, killed and restarted at random with broker and worker.

Each starts late, keeps a balance table of its own, and ends with the ledger's balances to the
kopeck. The programs run as their README says, with the credentials of a subscriber and nothing of
our packages in reach. A neighbour's queue that takes nothing is bound beside theirs.
"""

from __future__ import annotations

import os
import random
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pika
import psycopg
import pytest

from deploy.embedded import process
from deploy.embedded.installation import Installation
from deploy.embedded.surroundings import REPOSITORY
from services.discovery import open_store
from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.domain.events import ChargeLine
from shared import context
from shared.config import load_settings
from shared.eventstore.postgres import PostgresStore
from tests.contract.npm_packages import NODE, installed_packages
from tests.ledger_commands import AccruePenalty, PostCharges, accrue_penalty, post_charges
from tests.nodes import ANY_PORTS
from tests.waiting import eventually

EXAMPLES = REPOSITORY / "examples"
SEED = int(os.environ.get("SALDO_TEST_EXAMPLES_SEED", "8"))
ACCOUNTS = [f"01{number:08}" for number in range(1, 21)]
DAY = date(2026, 11, 10)
BURST = 100
"""The largest number of events between two kills."""
NEIGHBOUR = "subscriber.neighbour.full"
SAME_S = 180.0
VICTIMS = ("work", "rabbitmq", "work", "gateway", "rabbitmq")
GIVEN = {"SALDO_AMQP_URL", "SALDO_URL", "SALDO_EVENTS_TOKEN", "SALDO_QUEUE_PREFIX"}
Table = dict[str, tuple[int, int, int]]


class Example:
    """One program of examples/, started again after each kill."""

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, env: dict[str, str]
    ) -> None:
        self.name = name
        self.file = folder / f"{name}.sqlite"
        self.log = folder / f"{name}.log"
        self._command, self._folder, self._env = command, folder, env
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, str(self.file)],
                cwd=self._folder,
                env=self._env,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def position(self) -> int:
        return sum(position for (position,) in self._rows("SELECT position FROM reader"))

    def table(self) -> Table:
        rows = self._rows("SELECT account, principal, penalty, advance FROM balances")
        return {
            number: (principal, penalty, advance) for number, principal, penalty, advance in rows
        }

    def _rows(self, query: str) -> list[Any]:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text("utf-8")
        try:
            with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as database:
                return database.execute(query).fetchall()
        except sqlite3.OperationalError:  # it is being made, or locked
            return []


@dataclass
class Ledger:
    """The house's side: what is posted, and the balances that it makes."""

    store: PostgresStore
    owner_url: str
    chance: random.Random
    posted: int = 0

    def post(self, events: int) -> None:
        """Post bills, penalties and payments, as chance has it."""
        for _ in range(events):
            self.posted += 1
            number = self.chance.choice(ACCOUNTS)
            kind = self.chance.choice(("bill", "penalty", "payment", "payment", "payment"))
            with context.bind(command_id=UUID(int=SEED << 64 | self.posted)):
                if kind == "bill":
                    self._bill(number)
                elif kind == "penalty":
                    amount = self.chance.randint(1, 5_000)
                    self.store.execute(
                        accrue_penalty,
                        AccruePenalty(
                            number=number, amount=amount, effective_on=DAY, rule="rule-1"
                        ),
                    )
                else:
                    self._payment(number)

    def open(self) -> None:
        for number in ACCOUNTS:
            self.store.execute(open_account, OpenAccount(number=number, payer_kind="household"))

    def _bill(self, number: str) -> None:
        period = f"{1000 + self.posted:04}-{self.chance.randint(1, 12):02}"
        lines = [
            ChargeLine(service, service, amount, amount)
            for service in ("heating", "water")
            if (amount := self.chance.randint(1, 90_000))
        ]
        command = PostCharges(
            number=number, period=period, due_on=DAY, effective_on=DAY, lines=tuple(lines)
        )
        self.store.execute(post_charges, command)

    def _payment(self, number: str) -> None:
        line = PaidLine(
            account=number,
            amount=self.chance.randint(1, 90_000),
            penalty=self.chance.randint(0, 3_000),
        )
        id_ = UUID(int=self.posted)
        self.store.execute(post_payment, PostPayment(payment_id=id_, paid_on=DAY, lines=(line,)))

    def position(self) -> int:
        with psycopg.connect(self.owner_url) as owner:
            row = owner.execute("SELECT max(notification_id) FROM ledger.events").fetchone()
            return int(row[0]) if row else 0

    def table(self) -> Table:
        with psycopg.connect(self.owner_url) as owner:
            rows = owner.execute("SELECT number, principal, penalty, advance FROM ledger.balances")
            return {row[0]: (row[1], row[2], row[3]) for row in rows}


def kill(installation: Installation, name: str) -> None:
    """Kill a process of the house with -9; it restarts by itself."""
    eventually(lambda: process_of(installation, name) is not None, f"{name} runs", SAME_S)
    victim = process_of(installation, name)
    assert victim is not None
    os.kill(victim.pid, signal.SIGKILL)
    eventually(lambda: not process.is_alive(victim), f"{name} is dead")


def process_of(installation: Installation, name: str) -> process.Identity | None:
    """Return the process that runs under a name now."""
    record = process.read_record(installation.state.record(name))
    return record.identity if record and process.is_alive(record.identity) else None


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SALDO_")]:
            patch.delenv(name)
        installation = Installation(tmp_path_factory.mktemp("house") / "saldo", ports=ANY_PORTS)
        try:
            installation.up(("serve", "work", "gateway", "subscribers"))
            yield installation
        finally:
            installation.reset()


@pytest.fixture(scope="module")
def ledger(installation: Installation) -> Iterator[Ledger]:
    settings = load_settings(installation.environment)
    store = open_store("ledger", settings)
    chance = random.Random(SEED)  # noqa: S311 - the same events every time
    yield Ledger(store, settings.database_url, chance)
    store.close()


def subscriber_environment(installation: Installation) -> dict[str, str]:
    """Return what the terminal of the demo subscriber has: no more."""
    file = installation.state.subscribers / "datamart.env"
    given = subprocess.run(
        ["sh", "-c", f". {shlex.quote(str(file))}; env"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    environment = dict(line.split("=", 1) for line in given.stdout.splitlines())
    assert {name for name in environment if name.startswith("SALDO_")} == GIVEN
    return environment


@pytest.fixture(scope="module")
def examples(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Example]]:
    folder = tmp_path_factory.mktemp("subscriber")
    env = subscriber_environment(installation)
    made = {}
    for name, command in commands(folder).items():
        made[name] = Example(name, command, folder, env)
    yield made
    for example in made.values():
        example.kill()


def commands(folder: Path) -> dict[str, list[str]]:
    """Return the command line of each example; -I: without the packages of this checkout."""
    python = [sys.executable, "-I"]
    program = folder / "balances.mjs"
    program.write_bytes((EXAMPLES / "node/balances.mjs").read_bytes())
    modules = installed_packages(EXAMPLES / "node").modules
    (folder / "node_modules").symlink_to(modules)
    return {
        "pika": [*python, str(EXAMPLES / "pika/balances.py")],
        "node": [str(NODE / "bin/node"), str(program)],
        "http": [*python, str(EXAMPLES / "http/balances.py")],
    }


@pytest.fixture(scope="module")
def year(installation: Installation, ledger: Ledger, examples: dict[str, Example]) -> Table:
    """Post, kill, and post on; return the balances at the end."""
    ledger.open()
    refuse_everything(installation)
    ledger.post(BURST)  # the history: nobody has subscribed yet
    for example in examples.values():
        example.start()
    chance = random.Random(SEED)  # noqa: S311 - the same kills every time
    victims = [*VICTIMS, *(list(examples) * 3)]
    chance.shuffle(victims)
    for victim in victims:
        reader = chance.choice(list(examples.values()))
        before = reader.position()
        ledger.post(chance.randint(1, BURST))
        if chance.random() < 0.5:
            wait_for_progress(reader, before)
        if victim in examples:
            examples[victim].kill()
            ledger.post(chance.randint(1, BURST))
            examples[victim].start()
        else:
            kill(installation, victim)
    lose_queues(installation, ledger, examples)
    ledger.post(BURST)
    return ledger.table()


def lose_queues(installation: Installation, ledger: Ledger, examples: dict[str, Example]) -> None:
    """Delete the queues of the examples with what waits in them; the history has it."""
    wait_for_progress(examples["http"], ledger.position() - 1)
    for example in examples.values():
        example.kill()
    ledger.post(BURST)
    with administrator(installation) as channel:
        for name in ("pika", "node"):
            channel.queue_delete(f"subscriber.datamart.{name}-balances")
    for example in examples.values():
        example.start()


def wait_for_progress(example: Example, before: int) -> None:
    eventually(lambda: example.position() > before, f"{example.name} reads on", SAME_S)


@contextmanager
def administrator(installation: Installation) -> Iterator[Any]:
    """Yield a channel of the broker's administrator."""
    url = installation.environment["SALDO_AMQP_URL"]
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        yield connection.channel()


def refuse_everything(installation: Installation) -> None:
    """Bind a queue that is full from the first message on, and refuses the others."""
    with administrator(installation) as channel:
        full = {"x-max-length": 1, "x-overflow": "reject-publish"}
        channel.queue_declare(NEIGHBOUR, durable=True, arguments=full)
        channel.exchange_declare("ledger.events", "topic", durable=True)
        channel.queue_bind(NEIGHBOUR, "ledger.events", "#")


@pytest.mark.parametrize("name", ["pika", "node", "http"])
def test_an_example_ends_with_the_balances_of_the_ledger(
    name: str, year: Table, examples: dict[str, Example]
) -> None:
    example = examples[name]
    eventually(lambda: example.table() == year, f"{name} has the ledger's balances", SAME_S)
    example.kill()
    example.start()
    assert sum(map(sum, year.values())) > 0
    lines = len(example.log.read_text("utf-8"))
    eventually(
        lambda: "up to position" in example.log.read_text("utf-8")[lines:], "it starts again"
    )
    assert example.table() == year


def test_the_house_goes_on_beside_a_queue_that_refuses(year: Table, ledger: Ledger) -> None:
    with psycopg.connect(ledger.owner_url) as owner:

        def has_published() -> bool:
            row = owner.execute(
                "SELECT relay.position, live.position, max(notification_id) FROM ledger.relay, "
                "ledger.live, ledger.events GROUP BY 1, 2"
            ).fetchone()
            owner.commit()
            return row is not None and row[0] == row[1] == row[2]

        eventually(has_published, "relay and live feed are at the end of the log", SAME_S)

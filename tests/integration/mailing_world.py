"""Persons with accounts, a ledger that bills them, and the job that mails: without the bus.

What notifications ask of others goes straight to their use cases, through the schemas of the RPCs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from typer.testing import CliRunner

from services.accounts import application as accounts
from services.accounts import cli as accounts_cli
from services.accounts import schemas as accounts_schemas
from services.accounts.staff_access import (
    StaffLink,
    StaffUnlink,
    link_by_staff,
    unlink_by_staff,
)
from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.penalties.law import law_in_force
from services.ledger.reports import mailing
from services.ledger.rpcs import mailing_schemas
from services.notifications.choosing import Choose, choose
from services.notifications.domain import Letter
from services.notifications.mailings.job import carry_on_mailings
from shared import context
from shared.config import Settings
from shared.contracts.notifications import LetterKind
from shared.errors import Unavailable
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.fixed_clock import FixedClock
from tests.integration.ledger.import_harness import ImportHarness

MOSCOW = ZoneInfo("Europe/Moscow")
CONTRACTS = "number;holder;address;payer_kind;state\n"
ANSWERS: Mapping[str, tuple[Any, Callable[..., Any]]] = {
    "ledger.billing_runs": (mailing_schemas.BillingRuns, mailing.billing_runs),
    "ledger.billed": (mailing_schemas.Billed, mailing.billed),
    "ledger.debts_due": (mailing_schemas.DebtsDue, mailing.debts_due),
    "ledger.debts_before_penalty": (
        mailing_schemas.DebtsBeforePenalty,
        lambda session, **asked: mailing.debts_before_penalty(session, **asked, law=law_in_force()),
    ),
    "ledger.open_debts": (mailing_schemas.OpenDebts, mailing.open_debts),
    "accounts.readers": (
        accounts_schemas.Readers,
        lambda session, **asked: accounts.readers(session, asked["accounts"]),
    ),
}


@dataclass
class MailingWorld:
    """What the job gets of its worker, and the hands of those who bill, link and pay."""

    database: Database
    folder: Path
    clock: FixedClock
    down: set[str] = field(default_factory=set)
    """The services that do not answer."""
    languages: dict[UUID, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings: Settings = self.database.settings
        self.billing = ImportHarness(self.database, self.folder)
        self.store = self._store("notifications")
        self._stores = {"ledger": self._store("ledger"), "accounts": self._store("accounts")}

    def call(self, service: str, method: str, *, deadline: float = 5.0, **asked: Any) -> Any:
        if service in self.down:
            raise Unavailable("service_unavailable", "It does not answer.")
        if (service, method) == ("identity", "contact"):
            language = self.languages.get(UUID(asked["person_id"]), "ru")
            return {"email": "anna@example.org", "language": language}
        schema, answer = ANSWERS[f"{service}.{method}"]
        arguments = schema().load(asked)
        return self._stores[service].query(lambda session: answer(session, **arguments))

    def registers(self, *numbers: str, closed: tuple[str, ...] = ()) -> None:
        """Import contracts; those of `closed` end today."""
        rows = [
            f"{number};Примерова Полина;г. Примерск, д. {number[-2:]};household;"
            f"{'closed' if number in closed else ''}\n"
            for number in numbers
        ]
        path = self.folder / "contracts.csv"
        path.write_text(CONTRACTS + "".join(rows), "utf-8")
        words = ["import", str(path), "--reason", "test"]
        result = CliRunner().invoke(accounts_cli.app, words)
        assert result.exit_code == 0, result.output

    def links(self, person_id: UUID, *numbers: str) -> None:
        for number in numbers:
            command = StaffLink(
                person_id=person_id, number=number, role="owner", reason="test", dry_run=False
            )
            self._do("accounts", link_by_staff, command)

    def unlinks(self, person_id: UUID, number: str) -> None:
        command = StaffUnlink(person_id=person_id, number=number, reason="test", dry_run=False)
        self._do("accounts", unlink_by_staff, command)

    def bills(self, name: str, due_on: date, *numbers: str, roubles: str = "100,00") -> None:
        """Import a file with a bill of this month for each account."""
        billed = date.today()  # noqa: DTZ011 - the import goes by the machine's day
        rows = [
            f"{number};{billed:%Y-%m};{due_on};{billed};heating;heating;{roubles};;\n"
            for number in numbers
        ]
        self.billing.imports(self.billing.file(name, *rows))

    def pays(self, number: str, amount: int) -> None:
        line = PaidLine(account=number, amount=amount, penalty=0, period=None)
        day = self.store.clock.today()
        command = PostPayment(payment_id=uuid4(), paid_on=day, lines=(line,))
        self._do("ledger", post_payment, command)

    def chooses(self, person_id: UUID, kind: LetterKind, *, wanted: bool) -> None:
        command = Choose(person_id=person_id, wanted={kind.value: wanted})
        with context.bind(actor=f"person:{person_id}", command_id=uuid4()):
            self.store.execute(choose, command)

    def bounces(self, person_id: UUID) -> None:
        """Let the last letter to a person come back: there is no such mailbox."""
        [newest, *_] = self.store.query(lambda session: session.read.letters_of(person_id, 1))

        def bounce(session: Session, letter_id: UUID) -> None:
            letter = session.load(Letter, letter_id)
            letter.mark_sent("<1@example.org>", 1)
            assert letter.bounce("5.1.1", None, hard=True)

        self.store.transact(bounce, newest["letter_id"])

    def set_to(self, day: date, at: time = time(9, 30)) -> None:
        """Let it be a time of a day in Moscow."""
        moment = datetime.combine(day, at, MOSCOW).astimezone(UTC)
        self.clock.advance(moment - self.clock.now())

    def mails(self) -> None:
        """Let the job run until there is nothing to do."""
        while self.step():
            pass

    def step(self) -> int:
        with context.bind(actor="service:notifications"):
            return carry_on_mailings(self)

    def letters(self) -> list[dict[str, Any]]:
        """Return the letters queued: person, kind, and what they are about, by person."""
        query = "SELECT person_id, kind, refs FROM letters ORDER BY person_id, position"
        return self.store.query(lambda session: session.cursor.execute(query).fetchall())

    def states(self) -> list[tuple[str, str, int]]:
        rows = self.store.query(lambda session: session.peek.mailings.newest(100))
        return [(row["kind"], row["state"], row["queued"]) for row in rows]

    def again(self) -> MailingWorld:
        """Return the world as another process sees it, with connections of its own."""
        return MailingWorld(self.database, self.folder, self.clock)

    def _store(self, service: str) -> PostgresStore:
        return self.database.store(service, clock=self.clock)

    def _do(self, service: str, handler: Any, command: Any) -> None:
        with context.bind(actor="staff:test", command_id=uuid4()):
            self._stores[service].execute(handler, command)


def world_of(database: Database, folder: Path) -> MailingWorld:
    """Return a world on the morning of today, before the hour of reminders."""
    world = MailingWorld(database, folder, FixedClock(datetime.now(UTC)))
    world.set_to(in_days(0), time(8))
    return world


def in_days(days: int) -> date:
    """Return a day from today on."""
    return date.today() + timedelta(days=days)  # noqa: DTZ011 - the import goes by it, too

"""A small company whose ledger has every kind of event, and a terminal to work on it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import msgspec
from typer.testing import CliRunner, Result

from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.cli import app
from services.ledger.corrections import Correct, correct
from services.ledger.domain import Account, account_id
from services.ledger.domain.effective_order import in_effective_order
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.domain.proposal import AdjustCharges, ReversePayment, WriteOffPenalty
from services.ledger.limits import CORRECTING
from services.ledger.loading import load_account
from services.ledger.penalties.accrual import accrue
from services.ledger.penalties.law import law_in_force
from services.ledger.seal.sealer import seal_log
from shared import context
from shared.bus.epochs import PLACE, SERVER
from shared.config import Settings
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from shared.money import Kopecks
from tests.conftest import Database, fresh_database
from tests.integration.ledger.sealed_ledger import KEYS, sealing
from tests.ledger_commands import PostCharges, post_charges
from tests.staff_terminal import grant, revoke, services_here, staff_amqp_url

NUMBERS = [f"01000000{n:02}" for n in range(1, 11)]
SERVICES = ("heating", "lift", "water")
CLERK = "ivanova"
STAFF = {
    **dict.fromkeys((CLERK, "sidorov", "zimina"), CORRECTING),
    **dict.fromkeys(("petrov", "orlova", "volkova"), ("approve",)),
}
"""Who may do what, without a limit; "zimina" made the corrections that a company begins with."""


@dataclass
class SmallCompany:
    """The database, its store, and the payments posted: id -> (account, sum, penalty)."""

    database: Database
    store: PostgresStore
    payments: dict[UUID, tuple[str, int, int]]

    def execute(self, handler: Any, command: Any, actor: str = "service:test") -> Any:
        with context.bind(actor=actor, command_id=uuid4()):
            return self.store.execute(handler, command)

    def environment(self, by: str = CLERK) -> dict[str, str]:
        """Return the environment variables of a terminal of this installation."""
        settings = self.database.settings
        return {
            "SALDO_AMQP_URL": staff_amqp_url(by),
            "SALDO_SECRET": settings.secret.hex(),
            "SALDO_LEDGER_SEAL_VERIFIER": str(KEYS.signer.verifier),
            "SALDO_DATABASE_URL_LEDGER": settings.database_url_of("ledger"),
            "SALDO_STAFF_DATABASE_URL": settings.staff_database_url,
        }

    def seal(self) -> str:
        """Seal the log as the sealer does; return the signed checkpoint."""
        with sealing(self.database) as cursor:
            sealed = seal_log(cursor, KEYS)
        assert sealed is not None
        return sealed.note

    def may(self, name: str, permission: str, up_to: Kopecks | None = None) -> None:
        """Grant one of the staff a permission."""
        grant(self.database.settings, "ledger", name, permission, up_to)

    def may_not(self, name: str, permission: str) -> None:
        """Take a permission away."""
        revoke(self.database.settings, "ledger", name, permission)

    def run(self, *words: str, by: str = CLERK, **environment: str) -> Result:
        """Run ``saldo ledger ...`` in this process, as one of the staff."""
        with services_here({"ledger": self.store}):
            return CliRunner().invoke(app, list(words), env={**self.environment(by), **environment})

    def run_json(self, *words: str, by: str = CLERK) -> Any:
        """Run a command with --json and return its output; it must succeed."""
        result = self.run(*words, "--json", by=by)
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    def refused(self, *words: str, by: str = CLERK, **environment: str) -> str:
        """Run a command that must be refused and record nothing; return its error in one line."""
        events = self.rows("events")
        result = self.run(*words, by=by, **environment)
        assert result.exit_code == 2, result.output
        assert self.rows("events") == events
        return " ".join(result.stderr.split())

    def audit_differences(self) -> set[str]:
        """Audit the log and the read model; return what differs."""
        result = self.run("audit", "--json")
        report = json.loads(result.stdout)
        assert result.exit_code == (1 if report["differences"] else 0)
        return {found["what"] for found in report["differences"]}

    def as_of(self, number: str, day: date) -> Account:
        """Return an account as it was at the end of a day."""
        account = Account(account_id(number))
        history = self.store.query(lambda session: session.history(account.id))
        events = [recorded.event for recorded in history]
        for event in in_effective_order(account.id, events, law_in_force()):
            if event.effective_on <= day:
                account.replay(event)
        return account

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return all rows of a table."""
        with self.database.owner("ledger") as owner:
            query = f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY 1"
            return [row for (row,) in owner.execute(query).fetchall()]

    def as_owner(self, *statements: str) -> None:
        """Change tables with the triggers off, which no role of the ledger's can."""
        with self.database.owner("ledger") as owner:
            for table in ("events", "commands"):
                owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_append_only")
            for statement in statements:
                owner.execute(statement)


Template: TypeAlias = tuple[Settings, str]
"""The settings and the name of a database to copy."""
BuiltCompany: TypeAlias = tuple[Template, dict[UUID, tuple[str, int, int]]]


@contextmanager
def built_small_company(base_settings: Settings, template: Template) -> Iterator[BuiltCompany]:
    """Build a company whose database can be copied."""
    with fresh_database(base_settings, template) as made:
        company = build_company(made)
        company.store.close()
        name = urlsplit(made.settings.database_url).path.removeprefix("/")
        yield (made.settings, name), company.payments


@contextmanager
def copied_company(base_settings: Settings, built: BuiltCompany) -> Iterator[SmallCompany]:
    """Copy a built company for the length of a block."""
    template, payments = built
    with fresh_database(base_settings, template) as made:
        with made.owner("ledger") as owner:  # it is the log that was built, not a restored one
            owner.execute(f"UPDATE log_run SET server = {SERVER}, log = {PLACE}")
        yield SmallCompany(made, made.store("ledger"), dict(payments))


def build_company(database: Database) -> SmallCompany:
    """Open accounts and post five months to them; one proposal stays undecided."""
    company = SmallCompany(database, database.store("ledger"), {})
    for name, permissions in STAFF.items():
        for permission in (*permissions, "read"):
            company.may(name, permission)
    chance = random.Random(20261123)  # noqa: S311 - reproducible
    for number in NUMBERS:
        opening = tuple(
            ServiceAmount(service, chance.randint(-90_000, 90_000))
            for service in chance.sample(SERVICES, 2)
        )
        command = OpenAccount(number=number, payer_kind="household", opening=opening)
        company.execute(open_account, command)
    for month in range(1, 6):
        for number in NUMBERS:
            company.execute(post_charges, _bill(number, month, chance))
        for number in chance.sample(NUMBERS, 6):
            _pay_and_accrue(company, number, date(2026, month, 20), chance)
    for number in NUMBERS[:3]:
        _correct(company, number, chance)
    lines = (ServiceAmount("heating", 1_00),)
    proposal = AdjustCharges(account=NUMBERS[5], period="2026-02", lines=lines)
    pending = Correct(correction_id=uuid4(), correction=proposal, reason="to be decided")
    company.may("sidorov", "adjust", 0)
    company.execute(correct, pending, actor="staff:sidorov")
    return company


def net(balance: dict[str, Any]) -> int:
    """Return what a balance comes to: debts less the advance."""
    return int(balance["principal"] + balance["penalty"] - balance["advance"])


def pay(company: SmallCompany, number: str, on: date, amount: int, penalty: int = 0) -> UUID:
    """Post a payment of one account."""
    payment_id = uuid4()
    line = PaidLine(account=number, amount=amount, penalty=penalty)
    company.execute(post_payment, PostPayment(payment_id=payment_id, paid_on=on, lines=(line,)))
    company.payments[payment_id] = (number, amount, penalty)
    return payment_id


def _bill(number: str, month: int, chance: random.Random) -> PostCharges:
    lines = []
    for service in SERVICES:
        charged, recalculation = chance.randint(0, 400_000), -chance.choice((0, 0, 500_000))
        concession = charged // 10
        payable = charged + recalculation - concession
        lines.append(
            ChargeLine(service, service.title(), payable, charged, recalculation, concession)
        )
    return PostCharges(
        number=number,
        period=f"2026-{month:02}",
        due_on=date(2026, month + 1, 15),
        effective_on=date(2026, month, 28),
        lines=tuple(lines),
    )


def _pay_and_accrue(company: SmallCompany, number: str, day: date, chance: random.Random) -> None:
    pay(company, number, day, chance.randint(1, 400_000), chance.randint(0, 9_000))
    company.execute(_accrue, AccrueByRules(number=number, on=day))


class AccrueByRules(msgspec.Struct, frozen=True, kw_only=True):
    """Bring the penalty of one account up to a day."""

    number: str
    on: date


def _accrue(session: Session, command: AccrueByRules) -> None:
    accrue(load_account(session, command.number), command.on, law_in_force())


def _correct(company: SmallCompany, number: str, chance: random.Random) -> None:
    lines = (ServiceAmount("heating", -chance.randint(1, 90_000)), ServiceAmount("lift", 777))
    corrections: list[Any] = [
        AdjustCharges(account=number, period="2026-03", lines=lines, effective_on=date(2026, 5, 5)),
        *(
            ReversePayment(payment_id=payment_id, effective_on=date(2026, 5, 25))
            for payment_id, (account, *_) in list(company.payments.items())[:9]
            if account == number
        ),
    ]
    penalty = company.run_json("balance", number)["penalty"]
    if penalty:
        corrections.append(WriteOffPenalty(account=number, amount=penalty))
    for correction in corrections:
        command = Correct(correction_id=uuid4(), correction=correction, reason="an act")
        company.execute(correct, command, actor="staff:zimina")

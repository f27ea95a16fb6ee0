"""A database that is put back to an earlier copy, and a worker's part of recovering from that."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql
from structlog.testing import capture_logs
from typer.testing import CliRunner

from services import terminal
from services.cli import app
from services.discovery import open_store, publisher_of, recovery_of
from services.ledger.reports.balances import balance
from shared.bus.epochs import stored_history
from shared.bus.jobs import JobRunner
from shared.bus.messages import Job
from shared.bus.recovering import recover
from shared.bus.relay import Relay
from shared.bus.worker import Worker
from shared.config import Settings
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.integration.bus_ends import NUMBER, end, open_one
from tests.waiting import eventually


@dataclass
class House:
    """Services on one database that may be restored; whoever is called is called here."""

    database: Database
    settings: Settings
    stores: dict[str, PostgresStore] = field(default_factory=dict)
    methods: dict[tuple[str, str], Any] = field(default_factory=dict)
    copy: str = ""

    def open(self, *services: str) -> None:
        for service in services:
            self.stores[service] = open_store(service, self.settings)

    def close(self) -> list[str]:
        names = list(self.stores)
        for store in self.stores.values():
            store.close()
        self.stores.clear()
        return names

    def back_up(self) -> None:
        """Keep a copy of the database as it is."""
        names = self.close()
        self.copy = f"{self._name}_backup"
        self._copy(self._name, self.copy)
        self.open(*names)

    def restore(self) -> None:
        """Put the copy in the place of the database."""
        names = self.close()
        with self._server() as owner:
            owner.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self._name))
            )
        self._copy(self.copy, self._name)
        self.open(*names)

    def drop_copy(self) -> None:
        if self.copy:
            with self._server() as owner:
                owner.execute(
                    sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.copy))
                )

    def publish(self, service: str) -> None:
        """Have a relay publish the whole log of a service."""
        store, worker = self.stores[service], Worker()
        relay = Relay(self.settings, store, publisher_of(service), worker.stop)
        worker.start(f"{service} relay", relay.run)
        try:
            eventually(lambda: self._published(service), f"{service} has published its log")
        finally:
            end(worker, self.settings)

    def call(self, service: str, method: str, *, deadline: float = 5.0, **kwargs: Any) -> Any:
        return self.methods[service, method](**kwargs)

    def search(self, service: str) -> None:
        """Do as the worker does about lost events, once."""
        recover(self.services(service), recovery_of(service))

    def services(self, service: str) -> _Services:
        """Return the dependencies of a service's jobs."""
        return _Services(self.settings, self.stores[service], self)

    @contextmanager
    def recovering(self, *services: str) -> Iterator[None]:
        """Run the workers' jobs that recover services."""
        worker = Worker()
        for service in services:
            handler = recovery_of(service)

            def run(services: Any, handler: Any = handler) -> int:
                return recover(services, handler)

            runner = JobRunner(
                service,
                self.services(service),
                [Job("recover", every=0.2, run=run)],
                worker.stop,
            )
            worker.start(f"{service} jobs", runner.run)
        try:
            yield
        finally:
            worker.join()

    def said(self, service: str, *options: str) -> tuple[int, dict[str, Any]]:
        """Return the exit code and the output of ``saldo <service> recover``."""
        result = CliRunner().invoke(app, [service, "recover", "--json", *options])
        assert result.stdout, result.output
        return result.exit_code, json.loads(result.stdout.splitlines()[-1])

    def _published(self, service: str) -> bool:
        with self.stores[service].transaction() as cursor:
            row = cursor.execute(
                "SELECT position >= (SELECT coalesce(max(notification_id), 0) FROM events) AS done "
                "FROM relay"
            ).fetchone()
            _, confirmed = stored_history(cursor)
        return bool(confirmed and row["done"])

    @property
    def _name(self) -> str:
        return urlsplit(self.settings.database_url).path.lstrip("/")

    def _copy(self, source: str, target: str) -> None:
        with self._server() as owner:
            owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = %s AND backend_type = 'client backend'",
                (source,),
            )
            owner.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(target), sql.Identifier(source)
                )
            )

    def _server(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.settings.database_url, autocommit=True, dbname="postgres")


@dataclass
class _Services:
    """The dependencies of a job."""

    settings: Settings
    store: PostgresStore
    house: House
    stop: Event = field(default_factory=Event)

    def call(self, service: str, method: str, *, deadline: float = 5.0, **kwargs: Any) -> Any:
        return self.house.call(service, method, deadline=deadline, **kwargs)


@contextmanager
def house_of(
    database: Database, monkeypatch: pytest.MonkeyPatch, *services: str
) -> Iterator[House]:
    """Open services for staff and jobs: a ledger with an account, payments that know no payment."""
    house = House(database, database.settings)
    monkeypatch.setattr(terminal, "load_settings", lambda: database.settings)
    house.methods["payments", "known_payments"] = lambda payment_ids: {"known": []}
    with capture_logs():
        house.open(*services)
        open_one(house.stores["ledger"])
        yield house
    house.close()
    house.drop_copy()


def owed(house: House) -> Any:
    """Return the advance of the account."""
    return house.stores["ledger"].query(lambda session: balance(session, NUMBER, None))["advance"]


def types_of(lost: Sequence[dict[str, Any]]) -> list[str]:
    """Return the types of lost events, as the verb lists them."""
    return [one["type"] for one in lost]

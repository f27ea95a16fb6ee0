"""Keeps a report of what was charged and paid in each month, equal to the ledger's turnover.

    . .saldo/staff/auditor.env
    export TURNOVER_POSTGRES_DBNAME=... TURNOVER_POSTGRES_HOST=... TURNOVER_POSTGRES_SCHEMA=report
    export TURNOVER_POSTGRES_USER=... TURNOVER_POSTGRES_PASSWORD=...
    python turnover.py

A projection of the `eventsourcing` library, run by its ProjectionRunner. It reads the ledger's log
as whoever has signed in, and writes to a database or schema of its own. The position of an event is
recorded in the transaction of its effect, so whatever ends this program, and whenever, each event
takes effect once.

Where the ledger has lost the end of its log, in a failover or a restore, and the report has it, the
report is made anew. It ends when it loses the ledger's database, so it looks at each start.
"""

import os
import signal
import time
from typing import ClassVar
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import InfrastructureFactory, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import Environment
from psycopg.sql import SQL, Identifier

from services.ledger.domain.events import (
    ChargesAdjusted,
    ChargesPosted,
    PaymentPosted,
    PaymentRefunded,
    PaymentReversed,
)
from shared.bus.epochs import read_history
from shared.config import load_settings
from shared.database import Login, open_pool
from shared.errors import Unavailable

VIEW = {"TURNOVER_PERSISTENCE_MODULE": "eventsourcing.postgres"}


class Ledger(Application[UUID]):
    """The log of the service `ledger`."""

    name = "ledger"
    env: ClassVar[dict[str, str]] = {
        "LEDGER_PERSISTENCE_MODULE": "shared.eventstore.library",
        "LEDGER_EVENT_TYPES_TOPIC": "services.ledger.domain:EVENTS",
    }


class TurnoverView(PostgresTrackingRecorder):
    """The report's tables: what was charged by month and service, and paid by month, in kopecks."""

    def __init__(self, datastore, **kwargs):
        super().__init__(datastore, **kwargs)
        charged = Identifier(datastore.schema, "turnover_charged")
        paid = Identifier(datastore.schema, "turnover_paid")
        epoch = Identifier(datastore.schema, "turnover_epoch")
        self.sql_create_statements += [
            SQL("CREATE TABLE IF NOT EXISTS {} (name text)").format(epoch),
            SQL(
                "CREATE TABLE IF NOT EXISTS {} (month date, service text, charged bigint, "
                "recalculated bigint, concession bigint, PRIMARY KEY (month, service))"
            ).format(charged),
            SQL("CREATE TABLE IF NOT EXISTS {} (month date PRIMARY KEY, paid bigint)").format(paid),
        ]
        self.epoch = SQL("SELECT name FROM {}").format(epoch)
        tracking = Identifier(datastore.schema, self.tracking_table_name)
        self.clear = SQL("DELETE FROM {}; DELETE FROM {}; DELETE FROM {}").format(
            charged, paid, tracking
        )
        self.keep_epoch = (
            SQL("DELETE FROM {}").format(epoch),
            SQL("INSERT INTO {} VALUES (%s)").format(epoch),
        )
        self.add_charged = SQL(
            "INSERT INTO {} AS t VALUES (%s, %s, %s, %s, %s) ON CONFLICT (month, service) "
            "DO UPDATE SET charged = t.charged + excluded.charged, "
            "recalculated = t.recalculated + excluded.recalculated, "
            "concession = t.concession + excluded.concession"
        ).format(charged)
        self.add_paid = SQL(
            "INSERT INTO {} AS t VALUES (%s, %s) ON CONFLICT (month) "
            "DO UPDATE SET paid = t.paid + excluded.paid"
        ).format(paid)

    def follow(self, history):
        """Make the report anew where it has what the ledger's log has lost; keep the epoch."""
        reached = self.max_tracking_id(Ledger.name) or 0
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(self.epoch)
            row = cursor.fetchone()
            if not history.fits(row["name"] if row else "", reached):
                print("the log has lost its end: the report is made anew", flush=True)
                cursor.execute(self.clear)
            cursor.execute(self.keep_epoch[0])
            cursor.execute(self.keep_epoch[1], (history.current.name,))

    def charge(self, month, rows, tracking):
        """Add rows of (service, charged, recalculated, concession) to a month."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            for row in rows:
                cursor.execute(self.add_charged, (month, *row))

    def pay(self, month, amount, tracking):
        """Add what was paid in a month."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(self.add_paid, (month, amount))


class Turnover(Projection[TurnoverView]):
    """What each event adds to the report. Which debt a payment pays is for the ledger to say:
    a back-dated bill changes it."""

    name = "turnover"
    topics = tuple(
        event.topic
        for event in (
            ChargesPosted,
            ChargesAdjusted,
            PaymentPosted,
            PaymentReversed,
            PaymentRefunded,
        )
    )  # the log has others, which are none of this report's business

    @singledispatchmethod
    def process_event(self, domain_event, tracking):
        # Not reached: only events of the topics arrive, and each of them has a method below.
        raise TypeError(f"{type(domain_event).__name__} is among the topics, but has no method")

    @process_event.register
    def charges_posted(self, event: ChargesPosted, tracking: Tracking):
        rows = [
            (line.service, line.charged, line.recalculation, line.concession)
            for line in event.lines
        ]
        self.view.charge(month_of(event), rows, tracking)

    @process_event.register
    def charges_adjusted(self, event: ChargesAdjusted, tracking: Tracking):
        rows = [(line.service, 0, line.amount, 0) for line in event.lines]
        self.view.charge(month_of(event), rows, tracking)

    @process_event.register
    def payment_posted(self, event: PaymentPosted, tracking: Tracking):
        self.view.pay(month_of(event), event.amount + event.penalty, tracking)

    @process_event.register
    def payment_reversed(self, event: PaymentReversed, tracking: Tracking):
        self.view.pay(month_of(event), -event.amount - event.penalty, tracking)

    @process_event.register
    def payment_refunded(self, event: PaymentRefunded, tracking: Tracking):
        self.view.pay(month_of(event), -event.amount, tracking)


def month_of(event):
    """Return the first day of the month in which an event takes effect."""
    return event.effective_on.replace(day=1)


def log_history():
    """Return the epochs of the ledger's log, once its relay has compared it with the bus."""
    login = Login(load_settings().staff_database_url, read_only=True)
    with open_pool(login, Ledger.name, size=1) as pool:
        while True:
            try:
                with pool.connection() as connection, connection.cursor() as cursor:
                    return read_history(cursor)
            except Unavailable as reason:
                print("waits:", reason.code, flush=True)
                time.sleep(1)


def main():
    env = Environment(Turnover.name, {**os.environ, **VIEW})
    with InfrastructureFactory.construct(env=env) as factory:
        factory.tracking_recorder(TurnoverView).follow(log_history())
    with ProjectionRunner(
        application_class=Ledger,
        projection_class=Turnover,
        view_class=TurnoverView,
        env=VIEW,
    ) as runner:
        signal.signal(signal.SIGTERM, lambda *_: runner.stop())
        said = None
        while not runner.is_interrupted.is_set():
            runner.run_forever(timeout=1)
            reached = runner.view.max_tracking_id(Ledger.name)
            if reached != said:
                print("up to position", reached, flush=True)
                said = reached


if __name__ == "__main__":
    main()

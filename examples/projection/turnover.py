"""Keeps a report of what was charged and paid in each month, equal to the ledger's turnover.

    . .saldo/staff/auditor.env
    export TURNOVER_POSTGRES_DBNAME=... TURNOVER_POSTGRES_HOST=... TURNOVER_POSTGRES_SCHEMA=report
    export TURNOVER_POSTGRES_USER=... TURNOVER_POSTGRES_PASSWORD=...
    python turnover.py

A projection of the `eventsourcing` library, run by its ProjectionRunner. It reads the ledger's log
as whoever has signed in, and writes to a database or schema of its own. The position of an event is
recorded in the transaction of its effect, so whatever ends this program, and whenever, each event
takes effect once.
"""

import signal
from typing import ClassVar
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.sql import SQL, Identifier

from services.ledger.domain.events import (
    ChargesAdjusted,
    ChargesPosted,
    PaymentPosted,
    PaymentRefunded,
    PaymentReversed,
)


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
        self.sql_create_statements += [
            SQL(
                "CREATE TABLE IF NOT EXISTS {} (month date, service text, charged bigint, "
                "recalculated bigint, concession bigint, PRIMARY KEY (month, service))"
            ).format(charged),
            SQL("CREATE TABLE IF NOT EXISTS {} (month date PRIMARY KEY, paid bigint)").format(paid),
        ]
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


def main():
    with ProjectionRunner(
        application_class=Ledger,
        projection_class=Turnover,
        view_class=TurnoverView,
        env={"TURNOVER_PERSISTENCE_MODULE": "eventsourcing.postgres"},
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

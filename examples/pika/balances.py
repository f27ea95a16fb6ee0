"""Keeps a table of the balances of all accounts, equal to the ledger's. RabbitMQ, with pika.

    pip install pika
    . .saldo/subscribers/datamart.env
    python balances.py balances.sqlite

New events come from a queue of our own, the history from the stream of the ledger. Both carry the
same messages, each with its position in the ledger's log and that of its predecessor. The position
of the last event is kept in the table's database and written in the transaction of the event's
effect, so whatever ends this program, and whenever, each event takes effect once.

Where the ledger has lost the end of its log, in a failover or a restore, the messages after the
loss are of another epoch. What the table has of the lost events is undone then.
"""

import json
import os
import sqlite3
import sys
import time
from datetime import datetime, timedelta

import pika

SERVICE = "ledger"
QUEUE = os.environ["SALDO_QUEUE_PREFIX"] + "pika-balances"
BATCH = 200  # events in one transaction, at most
QUIET_S = 0.5  # a batch ends when nothing has come for so long
LOOK_BACK_S = 60  # how often the history is looked at when nothing comes
VERSION = "v1"  # of each type: the versions that we know
TYPES = {
    "account_opened", "opening_posted", "charges_posted", "charges_adjusted", "penalty_accrued",
    "penalty_corrected", "penalty_written_off", "payment_posted", "payment_reversed",
    "payment_refunded", "payer_kind_changed", "advance_settled", "account_closed",
}  # fmt: skip


class Gap(Exception):
    """Events between the last one that we have and this one are missing."""


class Balances:
    """The table, and how far it has got."""

    def __init__(self, file):
        self.database = sqlite3.connect(file, isolation_level=None, timeout=60)
        self.database.executescript(
            """
            CREATE TABLE IF NOT EXISTS balances (
                account TEXT PRIMARY KEY, principal INTEGER, penalty INTEGER, advance INTEGER
            );
            CREATE TABLE IF NOT EXISTS changes (
                position INTEGER, account TEXT, principal INTEGER, penalty INTEGER, advance INTEGER
            );
            CREATE INDEX IF NOT EXISTS changes_of_account ON changes (account);
            CREATE INDEX IF NOT EXISTS changes_by_position ON changes (position);
            CREATE TABLE IF NOT EXISTS reader (position INTEGER, epoch TEXT, time TEXT);
            INSERT INTO reader SELECT 0, '', '' WHERE NOT EXISTS (SELECT 1 FROM reader);
            CREATE TABLE IF NOT EXISTS past_epochs (epoch TEXT PRIMARY KEY);
            """
        )

    def reached(self):
        """Return the position of the last event in the table, its epoch, and its time."""
        return self.database.execute("SELECT position, epoch, time FROM reader").fetchone()

    def apply(self, events, *, history=False):
        """Add events to the table, all or none; raises Gap.

        `history`: they come in the order of the stream, nothing left out between them.
        """
        self.database.execute("BEGIN IMMEDIATE")
        try:
            position, epoch, time_ = self.reached()
            past = {row[0] for row in self.database.execute("SELECT epoch FROM past_epochs")}
            for headers, data in events:
                new = headers.get("saldo_epoch", "1")
                if new in past:
                    continue  # a duplicate, or lost
                if epoch and new != epoch:
                    if not history:  # which one is the first of it, the stream tells
                        raise Gap(f"between {position} and epoch {new}")
                    self.database.execute("INSERT INTO past_epochs VALUES (?)", (epoch,))
                    past.add(epoch)
                    position = min(position, headers["saldo_predecessor"])
                    self.undo(position)
                epoch = new
                if headers["saldo_position"] <= position:
                    continue  # a duplicate
                if headers["saldo_predecessor"] > position:
                    raise Gap(f"between {position} and {headers['saldo_position']}")
                self.add(headers, data)
                position, time_ = headers["saldo_position"], headers["cloudEvents_time"]
            self.database.execute(
                "UPDATE reader SET position = ?, epoch = ?, time = ?", (position, epoch, time_)
            )
            self.database.execute("COMMIT")
        except BaseException:
            self.database.execute("ROLLBACK")
            raise

    def add(self, headers, data):
        """Add the change that an event makes to the balance of its account, in kopecks."""
        if headers["cloudEvents_type"] not in TYPES:
            return  # a type that is newer than this program, and does not concern it
        if not headers["cloudEvents_dataschema"].endswith(f"/{VERSION}"):
            sys.exit(f"This program does not know {headers['cloudEvents_dataschema']}: update it.")
        if not data.get("change"):
            sys.exit("This history is older than the field `change`: read it over HTTP (../http).")
        self.database.execute(
            """
            INSERT INTO balances VALUES (:account, :principal, :penalty, :advance)
            ON CONFLICT (account) DO UPDATE SET principal = principal + excluded.principal,
                penalty = penalty + excluded.penalty, advance = advance + excluded.advance
            """,
            {"account": account_of(data), **data["change"]},
        )
        self.database.execute(
            "INSERT INTO changes VALUES (:position, :account, :principal, :penalty, :advance)",
            {"position": headers["saldo_position"], "account": account_of(data), **data["change"]},
        )

    def undo(self, position):
        """Take off what events after a position have added: they are lost, and did not happen."""
        self.database.execute(
            """
            UPDATE balances SET principal = balances.principal - lost.principal,
                penalty = balances.penalty - lost.penalty,
                advance = balances.advance - lost.advance
            FROM (SELECT account, sum(principal) AS principal, sum(penalty) AS penalty,
                         sum(advance) AS advance
                  FROM changes WHERE position > ? GROUP BY account) AS lost
            WHERE lost.account = balances.account
            """,
            (position,),
        )
        self.database.execute("DELETE FROM changes WHERE position > ?", (position,))
        self.database.execute(
            "DELETE FROM balances WHERE NOT EXISTS"
            " (SELECT 1 FROM changes WHERE changes.account = balances.account)"
        )


def account_of(data):
    """Return the account of an event: each later holder of a number has a balance of his own."""
    return f"{data['account']}-{data['tenure']}" if "tenure" in data else data["account"]


def read(channel, queue, balances, arguments=None, *, history=False):
    """Add the messages of a queue to the table until nothing has come for a while."""
    batch, last = [], None
    try:
        for method, properties, body in channel.consume(
            queue, arguments=arguments, inactivity_timeout=QUIET_S
        ):
            if method:
                batch.append((properties.headers, json.loads(body)))
                last = method.delivery_tag
            if batch and (method is None or len(batch) == BATCH):
                balances.apply(batch, history=history)
                channel.basic_ack(last, multiple=True)  # the effect is stored
                batch.clear()
            elif method is None:
                return
    finally:
        if channel.is_open:
            channel.cancel()  # what is not acknowledged comes again


def read_history(channel, balances):
    """Add what the stream has and the table has not."""
    position, _, time_ = balances.reached()
    offset = "first"
    if position:
        # The stream is asked by time; an hour more costs little, and clocks differ.
        offset = datetime.fromisoformat(time_) - timedelta(hours=1)
    try:
        read(channel, f"{SERVICE}.stream", balances, {"x-stream-offset": offset}, history=True)
    except Gap as gap:
        sys.exit(f"The stream has no longer what lies {gap}: read it over HTTP (see ../http).")


def follow(balances):
    """Read the history, then what comes; returns never."""
    parameters = pika.URLParameters(os.environ["SALDO_AMQP_URL"])
    parameters.client_properties = {"connection_name": QUEUE}
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=BATCH)
        # The queue comes before the history: what is published meanwhile waits in it.
        channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind(QUEUE, f"{SERVICE}.events", routing_key="#")
        while True:
            read_history(channel, balances)
            print("up to position", balances.reached()[0], flush=True)
            look_back = time.monotonic() + LOOK_BACK_S
            try:
                while time.monotonic() < look_back:
                    read(channel, QUEUE, balances)
            except Gap as gap:
                print("missing:", gap, flush=True)  # the stream has it


def main():
    balances = Balances(sys.argv[1])
    while True:
        try:
            follow(balances)
        except pika.exceptions.AMQPError as error:
            print("no broker:", type(error).__name__, flush=True)
            time.sleep(1)  # it restarts; what we had not acknowledged comes again


if __name__ == "__main__":
    main()

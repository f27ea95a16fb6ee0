"""Keeps a table of the balances of all accounts, equal to the ledger's. HTTP, no package needed.

    . .saldo/subscribers/datamart.env
    python balances.py balances.sqlite

It asks for the events after a cursor, from the first one on, and waits at the end for new ones. The
cursor is kept in the table's database and written in the transaction of the events' effect, so
whatever ends this program, and whenever, each event takes effect once.

Where the ledger has lost the end of its log, in a failover or a restore, the server refuses the
cursor, and says up to which position the table is right. What it has of later events is undone.
"""

import http.client
import json
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import urlencode

SERVICE = "ledger"
WAIT_S = 20  # how long the server holds a request that has nothing to return
VERSION = "v1"  # of each type: the versions that we know
TYPES = {
    "account_opened", "opening_posted", "charges_posted", "charges_adjusted", "penalty_accrued",
    "penalty_corrected", "penalty_written_off", "payment_posted", "payment_reversed",
    "payment_refunded", "payer_kind_changed", "advance_settled", "account_closed",
}  # fmt: skip


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
            CREATE TABLE IF NOT EXISTS reader (position INTEGER, epoch TEXT, cursor TEXT);
            INSERT INTO reader SELECT 0, '', '' WHERE NOT EXISTS (SELECT 1 FROM reader);
            """
        )

    def reached(self):
        """Return the position of the last event in the table, its epoch, and the cursor after it.

        There is no cursor at the beginning, and after a loss.
        """
        return self.database.execute("SELECT position, epoch, cursor FROM reader").fetchone()

    def apply(self, page):
        """Add the events of a page to the table, and keep its cursor: all or nothing."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            position, _, _ = self.reached()
            for event in page["events"]:
                if event["saldoposition"] > position:  # else it is a duplicate
                    self.add(event)
                    position = event["saldoposition"]
            self.database.execute(
                "UPDATE reader SET position = ?, epoch = ?, cursor = ?",
                (page["position"], page["epoch"], page["next"]),
            )
            self.database.execute("COMMIT")
        except BaseException:
            self.database.execute("ROLLBACK")
            raise

    def add(self, event):
        """Add the change that an event makes to the balance of its account, in kopecks."""
        if event["type"] not in TYPES:
            return  # a type that is newer than this program, and does not concern it
        if not event["dataschema"].endswith(f"/{VERSION}"):
            sys.exit(f"This program does not know {event['dataschema']}: update it.")
        self.database.execute(
            """
            INSERT INTO balances VALUES (:account, :principal, :penalty, :advance)
            ON CONFLICT (account) DO UPDATE SET principal = principal + excluded.principal,
                penalty = penalty + excluded.penalty, advance = advance + excluded.advance
            """,
            {"account": account_of(event["data"]), **event["data"]["change"]},
        )
        self.database.execute(
            "INSERT INTO changes VALUES (:position, :account, :principal, :penalty, :advance)",
            {
                "position": event["saldoposition"],
                "account": account_of(event["data"]),
                **event["data"]["change"],
            },
        )

    def undo(self, position, epoch):
        """Take off what events after a position have added: they are lost, and did not happen."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
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
            self.database.execute(
                "UPDATE reader SET position = ?, epoch = ?, cursor = ''", (position, epoch)
            )
            self.database.execute("COMMIT")
        except BaseException:
            self.database.execute("ROLLBACK")
            raise


def account_of(data):
    """Return the account of an event: each later holder of a number has a balance of his own."""
    return f"{data['account']}-{data['tenure']}" if "tenure" in data else data["account"]


def page_after(place, wait):
    """Return the next page of events; empty when there was none for so many seconds."""
    position, epoch, cursor = place
    query = {"service": SERVICE, "wait": wait}
    if cursor:
        query["after"] = cursor
    elif position:
        query.update(position=position, epoch=epoch)
    request = urllib.request.Request(
        f"{os.environ['SALDO_URL']}/api/v1/events?{urlencode(query)}",
        headers={"Authorization": f"Bearer {os.environ['SALDO_EVENTS_TOKEN']}"},
    )
    with urllib.request.urlopen(request, timeout=WAIT_S + 10) as response:
        return json.load(response)


def main():
    balances, wait = Balances(sys.argv[1]), 0
    while True:
        try:
            page = page_after(balances.reached(), wait)
        except urllib.error.HTTPError as error:
            if error.code == 429 or error.code >= 500:
                print("refused for now:", error.code, flush=True)
                time.sleep(int(error.headers.get("Retry-After", "1")))
                continue
            problem = json.loads(error.read())
            if problem.get("code") != "position_not_in_log":
                # Our mistake: going on would be wrong.
                sys.exit(f"{error.code}: {problem}")
            fork = problem["params"]
            print("the log has lost what followed position", fork["fork"], flush=True)
            balances.undo(fork["fork"], fork["fork_epoch"])
        except (OSError, ValueError, http.client.HTTPException) as error:
            # No connection, or one that broke off.
            print("no answer:", type(error).__name__, flush=True)
            time.sleep(1)
        else:
            balances.apply(page)
            wait = 0 if page["more"] else WAIT_S
            if page["events"] or not page["more"]:
                print("up to position", balances.reached()[0], flush=True)


if __name__ == "__main__":
    main()

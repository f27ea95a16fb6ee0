"""Single payments by 20 concurrent callers, and calls of 50, beside double entry in plain SQL.

Ours: group commit, with command id, log, read model and postings. The reference: two balance
rows locked and updated, one transfer and two entry rows inserted, in a function that pgbench calls
with 20 clients. Both commit durably and choose accounts at random.
"""

from __future__ import annotations

import random
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path

from deploy.embedded.postgres_binaries import binaries
from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ServiceAmount
from services.ledger.group_commit import ledger_group_commit
from shared import context, gc_tuning
from shared.eventstore.recorder import Cause
from shared.ids import new_id
from tests.bench.company import Bench
from tests.bench.measure import Result, compare, seconds

ACCOUNTS = 1_000
CALLERS = 20
EACH = 200
CALLS_OF_50 = 20

_REFERENCE = """
DROP TABLE IF EXISTS ref_accounts, ref_transfers, ref_entries;
CREATE TABLE ref_accounts (id int PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE ref_transfers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), amount bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE ref_entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, transfer uuid NOT NULL,
    account int NOT NULL, amount bigint NOT NULL, balance_after bigint NOT NULL);
CREATE INDEX ref_entries_account ON ref_entries (account, id);
INSERT INTO ref_accounts SELECT n, 1000000000 FROM generate_series(1, {accounts}) AS n;
CREATE OR REPLACE FUNCTION ref_transfer(calls int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE chosen int[]; a int; b int; t uuid; before_a bigint; before_b bigint;
BEGIN
    SELECT array_agg(1 + floor(random() * {accounts})::int) INTO chosen
      FROM generate_series(1, calls + 1);
    -- All locks in one order, to avoid deadlocks.
    PERFORM 1 FROM ref_accounts WHERE id = ANY (chosen) ORDER BY id FOR UPDATE;
    FOR turn IN 1..calls LOOP
        a := chosen[turn];
        b := chosen[turn + 1];
        UPDATE ref_accounts SET balance = balance - 1 WHERE id = a RETURNING balance INTO before_a;
        UPDATE ref_accounts SET balance = balance + 1 WHERE id = b RETURNING balance INTO before_b;
        INSERT INTO ref_transfers (amount) VALUES (1) RETURNING id INTO t;
        INSERT INTO ref_entries (transfer, account, amount, balance_after)
        VALUES (t, a, -1, before_a), (t, b, 1, before_b);
    END LOOP;
END $$;
"""


def single(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure calls of one payment."""
    prepare(bench)
    return compare(
        f"single payments, {CALLERS} callers (group commit)",
        "payments/s",
        CALLERS * EACH,
        lambda: post_singly(bench),
        "double entry in SQL, pgbench with 20 clients",
        lambda: post_in_sql(bench),
        target=1.5,
        progress=progress,
    )


def of_fifty(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure calls of fifty payments."""
    prepare(bench)
    return compare(
        f"calls of 50 payments, {CALLERS} callers (group commit)",
        "payments/s",
        CALLERS * CALLS_OF_50 * 50,
        lambda: _ours(bench, CALLS_OF_50, 50),
        "double entry in SQL, 50 transfers per call",
        lambda: post_in_sql_of_fifty(bench),
        target=2.0,
        progress=progress,
    )


def prepare(bench: Bench) -> None:
    """Open the accounts of both sides."""
    bench.reset()
    gc_tuning.tune_gc()  # as a server process does
    with bench.store.session(Cause(new_id(), "staff:bench", "bench")) as session:
        for index in range(ACCOUNTS):
            number = f"{index:010}"
            opening = (ServiceAmount("heating", 10**9),)
            session.load(Account, account_id(number)).open(
                number, "household", date(2025, 1, 1), opening
            )
    with bench.as_owner() as owner:
        owner.execute(_REFERENCE.format(accounts=ACCOUNTS))


def post_singly(bench: Bench) -> float:
    """Return the seconds that all callers take for their calls of one payment."""
    return _ours(bench, EACH, 1)


def post_in_sql(bench: Bench) -> float:
    """Return the seconds that the reference takes for as many transfers, one per call."""
    return _pgbench(bench, EACH, 1)


def post_in_sql_of_fifty(bench: Bench) -> float:
    """Return the seconds that the reference takes for CALLS_OF_50 calls by each caller."""
    return _pgbench(bench, CALLS_OF_50, 50)


def _ours(bench: Bench, calls: int, lines: int) -> float:
    posting = ledger_group_commit(bench.store)
    day = date(2026, 11, 1)

    def caller() -> None:
        chance = random.Random()  # noqa: S311 - not for security
        for _ in range(calls):
            numbers = chance.sample(range(ACCOUNTS), lines)
            paid = tuple(
                PaidLine(account=f"{number:010}", amount=1, penalty=0) for number in numbers
            )
            with context.bind(command_id=new_id(), actor="staff:bench"):
                posting.execute(
                    post_payment, PostPayment(payment_id=new_id(), paid_on=day, lines=paid)
                )

    def all_callers() -> None:
        threads = [threading.Thread(target=caller) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    before = bench.store.recorder.max_notification_id() or 0
    taken = seconds(all_callers)
    done = (bench.store.recorder.max_notification_id() or 0) - before
    if done != CALLERS * calls * lines:
        raise RuntimeError(f"{done} payments were posted, not {CALLERS * calls * lines}")
    return taken


def _pgbench(bench: Bench, calls: int, transfers: int) -> float:
    """Return the seconds that pgbench took, without connecting."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "transfer.sql"
        script.write_text(f"SELECT ledger.ref_transfer({transfers});\n")
        output = subprocess.run(
            [
                str(binaries() / "pgbench"), "--no-vacuum", "--protocol=prepared",
                f"--client={CALLERS}", "--jobs=2", f"--transactions={calls}",
                f"--file={script}", bench.settings.database_url + "?options=-csearch_path%3Dledger",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout  # fmt: skip
    rate = re.search(r"tps = ([0-9.]+) \(without initial", output)
    if rate is None:
        raise RuntimeError(f"pgbench printed no rate: {output}")
    return CALLERS * calls / float(rate[1])

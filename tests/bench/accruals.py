"""Penalties of a hundred thousand overdue accounts, beside the same sums computed in SQL.

Each run accrues one more day, as the nightly run does, and both must agree to the kopeck. The SQL
reads the same events, but handles only the simple case of this data: every payment in time, one
rate, no corrections. It writes a sum per account, while ours appends an event with its segments
and handles every rule and correction.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from uuid import uuid4

from services.ledger.domain import Account, account_id
from services.ledger.penalties.accrual_run import accrue_all
from services.ledger.penalties.rules import load_rules
from tests.bench.company import COPIED, LINES, Bench, populate
from tests.bench.measure import Result, compare, seconds

ACCOUNTS = 100_000
BILL = LINES[2:6]
"""Four lines, including capital repair, whose penalty has a rule of its own."""
FIRST_DAY = date(2026, 7, 20)

_TABLES = """
DROP TABLE IF EXISTS ref_balances, ref_accruals;
CREATE TABLE ref_balances AS SELECT account_id, 0::bigint AS penalty FROM balances;
ALTER TABLE ref_balances ADD PRIMARY KEY (account_id);
CREATE TABLE ref_accruals (account_id uuid, effective_on date, amount bigint,
                           PRIMARY KEY (account_id, effective_on));
"""
_REFERENCE = """
WITH log AS MATERIALIZED (
    SELECT originator_id AS id, topic, convert_from(state, 'UTF8')::jsonb AS e FROM events
     WHERE topic IN ('ledger.charges_posted.v1', 'ledger.payment_posted.v1')
),
sums AS (
    SELECT id, e ->> 'period' AS period, line ->> 'service' = 'capital_repair' AS capital,
           (line ->> 'payable')::bigint AS amount, (e ->> 'due_on')::date AS due_on
      FROM log, jsonb_array_elements(e -> 'lines') AS line WHERE topic LIKE '%%charges%%'
    UNION ALL
    SELECT id, part ->> 'period', part ->> 'service' = 'capital_repair',
           -(part ->> 'amount')::bigint, NULL
      FROM log, jsonb_array_elements(e -> 'allocation') AS part
),
debts AS (
    SELECT id, capital, sum(amount) AS owed, %(on)s::date - max(due_on) AS days
      FROM sums GROUP BY id, period, capital
),
penalties AS (
    SELECT id, sum(
               round(owed * 0.095 * greatest(
                   CASE WHEN capital THEN days ELSE least(days, 90) END - 30, 0) / 300)
               + CASE WHEN capital THEN 0
                      ELSE round(owed * 0.095 * greatest(days - 90, 0) / 130) END
           )::bigint AS penalty
      FROM debts GROUP BY id
),
changed AS (
    UPDATE ref_balances AS b SET penalty = p.penalty
      FROM penalties AS p, ref_balances AS old
     WHERE b.account_id = p.id AND old.account_id = p.id AND b.penalty <> p.penalty
    RETURNING b.account_id, p.penalty - old.penalty AS added
)
INSERT INTO ref_accruals SELECT account_id, %(on)s, added FROM changed
"""
_BOTH_SUMS = """
SELECT (SELECT sum(penalty) FROM balances), (SELECT sum(penalty) FROM ref_balances)
"""


def penalties(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Accrue five days, one by one, for all accounts."""
    progress("penalties: writing the log")
    populate(bench, _debtor(), ACCOUNTS)
    rules = load_rules(environ={})
    day = [FIRST_DAY - timedelta(days=1)]
    with bench.as_owner() as owner:
        owner.execute(_TABLES)
        owner.execute("ANALYZE ref_balances")

        def ours() -> float:
            day[0] += timedelta(days=1)

            def run() -> None:
                summary = accrue_all(bench.store, day[0], rules, "staff:bench")
                if summary.changed != ACCOUNTS:
                    raise RuntimeError(f"the penalties of {summary.changed} accounts have changed")

            return seconds(run)

        def in_sql() -> float:
            def run() -> None:
                owner.execute(_REFERENCE, {"on": day[0]})

            took = seconds(run)
            sums = owner.execute(_BOTH_SUMS).fetchone()
            if sums is None or sums[0] != sums[1]:
                raise RuntimeError(f"the penalties disagree ({sums}): the result is invalid")
            return took

        return compare(
            f"penalties of {ACCOUNTS:,} overdue accounts by a day",
            "accounts/s",
            ACCOUNTS,
            ours,
            "the simple case of the same in SQL",
            in_sql,
            progress=progress,
        )


def _debtor() -> Account:
    """Return an account with two bills, the first partly paid, in time."""
    account = Account(account_id(COPIED))
    account.open(COPIED, "household", date(2026, 1, 1))
    for month, due_on in ((1, date(2026, 2, 10)), (2, date(2026, 3, 16))):
        billed = date(2026, month, 28)
        account.post_charges(f"2026-{month:02}", billed, due_on, BILL)
        if month == 1:
            account.post_payment(uuid4(), due_on, 100_000, 0)
    return account

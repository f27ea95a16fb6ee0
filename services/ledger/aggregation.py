"""Rebuilding every balance from the log alone, in SQL: the second witness of the audit.

It adds up sums out of the events' JSON and knows nothing of the domain code: not how a payment
was allocated, only how much was owed, paid and settled.
"""

from __future__ import annotations

from typing import Any

BALANCES = """
WITH log AS MATERIALIZED (
    SELECT originator_id, topic, convert_from(state, 'UTF8')::jsonb AS e FROM events
),
owed AS (
    SELECT originator_id,
           sum(greatest((line ->> 'payable')::bigint, 0)) AS up,
           sum(greatest(-(line ->> 'payable')::bigint, 0)) AS credit
      FROM log, jsonb_array_elements(e -> 'lines') AS line
     WHERE topic = 'ledger.charges_posted.v1'
     GROUP BY originator_id
),
opening AS (
    SELECT originator_id,
           sum(greatest((item ->> 'amount')::bigint, 0)) AS up,
           sum(greatest(-(item ->> 'amount')::bigint, 0)) AS credit
      FROM log, jsonb_array_elements(e -> 'opening') AS item
     WHERE topic = 'ledger.account_opened.v1'
     GROUP BY originator_id
),
settled AS (
    SELECT originator_id,
           sum((part ->> 'amount')::bigint) AS down,
           sum((part ->> 'amount')::bigint) FILTER (WHERE topic = 'ledger.charges_posted.v1')
               AS from_advance
      FROM log, jsonb_array_elements(e -> 'settled') AS part
     WHERE topic IN ('ledger.charges_posted.v1', 'ledger.payment_posted.v1')
     GROUP BY originator_id
),
sums AS (
    SELECT originator_id,
           count(*) AS version,
           sum((e ->> 'amount')::bigint) FILTER (WHERE topic = 'ledger.penalty_accrued.v1')
               AS accrued,
           sum((e ->> 'penalty_settled')::bigint) AS penalty_settled,
           sum((e ->> 'advance')::bigint) AS advance
      FROM log
     GROUP BY originator_id
)
SELECT s.originator_id AS account_id,
       s.version,
       (coalesce(o.up, 0) + coalesce(p.up, 0) - coalesce(d.down, 0))::bigint AS principal,
       (coalesce(s.accrued, 0) - coalesce(s.penalty_settled, 0))::bigint AS penalty,
       (coalesce(s.advance, 0) + coalesce(o.credit, 0) + coalesce(p.credit, 0)
        - coalesce(d.from_advance, 0))::bigint AS advance
  FROM sums AS s
  LEFT JOIN owed AS o USING (originator_id)
  LEFT JOIN opening AS p USING (originator_id)
  LEFT JOIN settled AS d USING (originator_id)
"""


def aggregate(cursor: Any) -> dict[Any, dict[str, Any]]:
    """Answer principal, penalty, advance (kopecks) and version of every account, by stream id."""
    cursor.execute(BALANCES)
    return {row["account_id"]: row for row in cursor.fetchall()}

"""Every balance from the log alone, in SQL: an independent check for the audit.

It adds up the figures in the events' JSON without the domain code: not how a payment was to be
allocated, only what each event says was owed, paid, allocated and given back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.ledger.domain.book import BOOK_STREAMS
from services.ledger.replay.parallel import ALL_IDS, Range
from services.ledger.replay.sorted_log import source_of

_BALANCES = """
WITH log AS MATERIALIZED (
    SELECT originator_id,
           originator_version,
           split_part(topic, '.', 2) AS kind,
           convert_from(state, 'UTF8')::jsonb AS e
      FROM ({source}) AS events
     WHERE NOT starts_with(topic, 'ledger.proposal_')
       AND originator_id <> ALL (%(but_for)s::uuid[])
),
-- What each list of an event means: its name, the key of its sums, what it does to the debt
-- (+1 owed, -1 paid), and to the advance.
parts AS (
    SELECT originator_id, kind, 'lines' AS list, (item ->> 'payable')::bigint AS amount
      FROM log, jsonb_array_elements(e -> 'lines') AS item
     WHERE kind = 'charges_posted'
    UNION ALL
    SELECT originator_id, kind, 'lines', (item ->> 'amount')::bigint
      FROM log, jsonb_array_elements(e -> 'lines') AS item
     WHERE kind = 'charges_adjusted'
    UNION ALL
    SELECT originator_id, kind, list, (item ->> 'amount')::bigint
      FROM log,
           unnest(
               ARRAY['opening', 'allocation', 'released', 'restored', 'reopened', 'moved']
           ) AS list,
           jsonb_array_elements(nullif(e -> list, 'null')) AS item
),
lists AS (
    SELECT originator_id,
           sum(CASE
               WHEN list IN ('lines', 'opening') THEN greatest(amount, 0)
               WHEN list IN ('restored', 'reopened') THEN amount
               ELSE -amount
           END) AS principal,
           sum(CASE
               WHEN list = 'opening' OR (list = 'lines' AND kind = 'charges_posted')
                   THEN greatest(-amount, 0)
               WHEN list = 'moved' OR (list = 'allocation' AND kind <> 'payment_posted')
                   THEN -amount
               ELSE 0
           END) AS advance
      FROM parts
     GROUP BY originator_id
),
sums AS (
    SELECT originator_id,
           count(*) AS version,
           max(originator_version) FILTER (WHERE kind = 'charges_posted') AS last_bill,
           sum(CASE kind
               WHEN 'penalty_accrued' THEN (e ->> 'amount')::bigint
               WHEN 'penalty_corrected'
                   THEN (e ->> 'amount')::bigint + (e ->> 'waived')::bigint
                        + (e ->> 'advance')::bigint
               WHEN 'penalty_written_off'
                   THEN (e ->> 'advance')::bigint - (e ->> 'amount')::bigint
               WHEN 'payment_posted' THEN -(e ->> 'penalty_allocated')::bigint
               WHEN 'payment_reversed' THEN (e ->> 'penalty_restored')::bigint
               WHEN 'payment_refunded' THEN (e ->> 'penalty_restored')::bigint
               ELSE 0
           END - coalesce((e ->> 'moved_penalty')::bigint, 0)) AS penalty,
           sum(CASE kind
               WHEN 'payment_reversed' THEN -(e ->> 'advance_taken')::bigint
               WHEN 'payment_refunded' THEN -(e ->> 'advance_taken')::bigint
               ELSE coalesce((e ->> 'advance')::bigint, 0)
           END - coalesce((e ->> 'moved_penalty')::bigint, 0)) AS advance
      FROM log
     GROUP BY originator_id
)
SELECT s.originator_id AS account_id,
       s.version,
       coalesce(s.last_bill, 0) AS last_bill,
       coalesce(l.principal, 0)::bigint AS principal,
       s.penalty::bigint AS penalty,
       (s.advance + coalesce(l.advance, 0))::bigint AS advance
  FROM sums AS s
  LEFT JOIN lists AS l USING (originator_id)
"""


def aggregate(
    cursor: Any, part: Range = ALL_IDS, but_for: Sequence[UUID] = ()
) -> dict[Any, dict[str, Any]]:
    """Return principal, penalty, advance (kopecks), version and last bill of every account, by id.

    Only of the streams of a range, without those in ``but_for``.
    """
    source, parameters = source_of(part)
    others = [*but_for, *BOOK_STREAMS]
    cursor.execute(_BALANCES.replace("{source}", source), {**parameters, "but_for": others})
    return {row["account_id"]: row for row in cursor.fetchall()}

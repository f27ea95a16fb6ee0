"""The tables of reconciliations: what is asked for, how far it is, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from services.payments.reconciliation.findings import Finding, Held, Kind, Source
from services.payments.reconciliation.reconciler import EARLIER_DAYS, Polled, Result
from shared import context
from shared.errors import NotFound, ValidationFailed
from shared.eventstore import Session
from shared.ids import new_id

BY_SCHEDULE: Final = "service:payments"
KEEP_MATCHED: Final = timedelta(days=35)
REQUESTED, MADE, FAILED = "requested", "done", "failed"
DIFFERING: Final = tuple(kind.value for kind in Kind if kind is not Kind.MATCHED)

_SHOWN: Final = (
    "SELECT reconciliation_id, day, state, requested_by, requested_at, finished_at, progress,"
    " summary, failure FROM reconciliations"
)


class Claim(msgspec.Struct, frozen=True):
    """A reconciliation to make; `attempt` is what this worker writes under."""

    reconciliation_id: UUID
    day: date
    attempt: int


def request(session: Session, day: date) -> dict[str, Any]:
    """Ask for the reconciliation of a day as the actor; see `request_as`."""
    return request_as(session, day, context.current().actor)


def request_as(session: Session, day: date, by: str) -> dict[str, Any]:
    """Ask for the reconciliation of a day; return {reconciliation_id, state}.

    One that is asked for or being made already is returned. Raises ValidationFailed `invalid_day`.
    """
    if day > session.today:
        raise ValidationFailed("invalid_day", f"{day} is in the future: it is {session.today}.")
    cursor = session.cursor
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('payments.reconciliations', 0))")
    cursor.execute(
        "SELECT reconciliation_id, state FROM reconciliations"
        " WHERE day = %s AND state IN ('requested', 'running') LIMIT 1",
        (day,),
    )
    row = cursor.fetchone()
    if row is None:
        row = {"reconciliation_id": new_id(), "state": REQUESTED}
        cursor.execute(
            "INSERT INTO reconciliations (reconciliation_id, day, state, requested_by,"
            " requested_at) VALUES (%s, %s, %s, %s, %s)",
            (row["reconciliation_id"], day, REQUESTED, by, session.now),
        )
    return {"reconciliation_id": str(row["reconciliation_id"]), "state": row["state"]}


def is_any_to_make(session: Session) -> bool:
    """Return whether there is a reconciliation to make, or one that its worker has left."""
    session.cursor.execute(
        "SELECT EXISTS (SELECT FROM reconciliations WHERE state IN ('requested', 'running')) AS any"
    )
    row = session.cursor.fetchone()
    return bool(row and row["any"])


def claim(session: Session) -> Claim | None:
    """Return the oldest reconciliation to make, as this worker's own; None: there is none."""
    session.cursor.execute(
        "UPDATE reconciliations SET state = 'running', attempt = attempt + 1, progress = '{}'"
        " WHERE reconciliation_id = (SELECT reconciliation_id FROM reconciliations"
        " WHERE state IN ('requested', 'running') ORDER BY requested_at LIMIT 1)"
        " RETURNING reconciliation_id, day, attempt"
    )
    row = session.cursor.fetchone()
    return None if row is None else Claim(**row)


def note_progress(session: Session, claimed: Claim, progress: Mapping[str, int]) -> None:
    """Keep how many records of each source were read."""
    session.cursor.execute(
        "UPDATE reconciliations SET progress = %s WHERE reconciliation_id = %s AND attempt = %s",
        (Jsonb(dict(progress)), claimed.reconciliation_id, claimed.attempt),
    )


def finish(session: Session, claimed: Claim, result: Result) -> bool:
    """Keep what was found; return False where another worker has begun it again."""
    summary = summary_of(result)
    if not _close(session, claimed, MADE, summary, ""):
        return False
    session.cursor.executemany(
        "INSERT INTO reconciliation_findings (reconciliation_id, number, kind, finding)"
        " VALUES (%s, %s, %s, %s)",
        [
            (claimed.reconciliation_id, number, row["kind"], Jsonb(row))
            for number, row in enumerate(_rows(result), start=1)
        ],
    )
    session.cursor.execute(
        "DELETE FROM reconciliation_findings USING reconciliations AS run"
        " WHERE run.reconciliation_id = reconciliation_findings.reconciliation_id"
        " AND kind = 'matched' AND run.finished_at < %s",
        (session.now - KEEP_MATCHED,),
    )
    return True


def fail(session: Session, claimed: Claim, failure: str) -> None:
    """Keep why nothing was compared."""
    _close(session, claimed, FAILED, None, failure)


def _close(
    session: Session,
    claimed: Claim,
    state: str,
    summary: Mapping[str, Any] | None,
    failure: str,
) -> bool:
    session.cursor.execute(
        "UPDATE reconciliations SET state = %s, summary = %s, failure = %s, finished_at = %s"
        " WHERE reconciliation_id = %s AND attempt = %s AND state = 'running'",
        (
            state,
            None if summary is None else Jsonb(dict(summary)),
            failure,
            session.now,
            claimed.reconciliation_id,
            claimed.attempt,
        ),
    )
    return bool(session.cursor.rowcount)


# What is shown


def run(
    session: Session, reconciliation_id: UUID, after: int, limit: int, *, matched: bool
) -> dict[str, Any]:
    """Return a reconciliation with a page of its findings, after a number.

    Raises NotFound `reconciliation_not_found`.
    """
    session.cursor.execute(f"{_SHOWN} WHERE reconciliation_id = %s", (reconciliation_id,))
    found = session.cursor.fetchone()
    if found is None:
        raise NotFound("reconciliation_not_found", "There is no such reconciliation.")
    session.cursor.execute(
        "SELECT number, finding FROM reconciliation_findings WHERE reconciliation_id = %s"
        " AND number > %s AND (%s OR kind <> 'matched') ORDER BY number LIMIT %s",
        (reconciliation_id, after, matched, limit + 1),
    )
    rows = session.cursor.fetchall()
    return {
        **_plain(found),
        "findings": [{"number": row["number"], **row["finding"]} for row in rows[:limit]],
        "next": rows[limit - 1]["number"] if len(rows) > limit else None,
    }


def newest(session: Session, limit: int) -> list[dict[str, Any]]:
    """Return the reconciliations without their findings, the newest first."""
    session.cursor.execute(f"{_SHOWN} ORDER BY requested_at DESC LIMIT %s", (limit,))
    return [_plain(row) for row in session.cursor.fetchall()]


def summary_of(result: Result) -> dict[str, Any]:
    """Return the counts and sums of a result, by source and kind; they add up.

    `sources` is what each source holds of the day, `kinds` the same by kind of finding, `by_staff`
    what staff entered in the ledger alone.
    """
    sums: dict[str, dict[str, Held]] = {source: {} for source in Source}
    by_staff = Held()
    for finding in result.findings:
        for source in Source:
            found = finding.held(source)
            if found is None:
                continue
            if finding.is_by_staff:
                by_staff += found
                continue
            kinds = sums[source]
            kinds[finding.kind] = kinds.get(finding.kind, Held()) + found
    counted = dict.fromkeys(Kind, 0)
    for finding in result.findings:
        if not finding.is_by_staff:
            counted[finding.kind] += 1
    return {
        "sources": {source: _sum(kinds.values()) for source, kinds in sums.items()},
        "kinds": {
            source: {kind: msgspec.to_builtins(found) for kind, found in kinds.items()}
            for source, kinds in sums.items()
        },
        "by_staff": msgspec.to_builtins(by_staff),
        "payments": counted,
        "earlier": {
            "days": EARLIER_DAYS,
            "orders": result.earlier_orders,
            "differences": len(result.earlier),
        },
        "differences": len(result.differing),
        "settled": sum(one.settled for one in result.polled.values()),
    }


def _sum(parts: Any) -> dict[str, int]:
    found: dict[str, int] = msgspec.to_builtins(sum(parts, Held()))
    return found


def _rows(result: Result) -> list[dict[str, Any]]:
    """Return the findings as they are kept, those that do not agree first."""
    agreed = [one for one in result.findings if one.kind is Kind.MATCHED and not one.is_by_staff]
    earlier = {id(one) for one in result.earlier}
    return [
        _row(one, result.polled, earlier=id(one) in earlier) for one in (*result.differing, *agreed)
    ]


def _row(finding: Finding, polled: Mapping[str, Polled], *, earlier: bool) -> dict[str, Any]:
    after = polled.get(finding.payment_id or "")
    return {
        "kind": finding.kind,
        "payment_id": finding.payment_id,
        "order_numbers": [one.order_number for one in finding.orders]
        or list(finding.ours.order_numbers if finding.ours else ()),
        "acquirer": next((one.acquirer for one in finding.orders), None),
        "earlier": earlier,
        "sums": {
            source: msgspec.to_builtins(found)
            for source in Source
            if (found := finding.held(source)) is not None
        },
        "differences": msgspec.to_builtins(list(finding.differences)),
        "polled": None if after is None else msgspec.to_builtins(after),
    }


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(dict(row))
    return plain


# The schedule


def last_nightly(session: Session) -> dict[str, Any] | None:
    """Return the newest day that was reconciled by the schedule; None: none was."""
    session.cursor.execute(
        f"{_SHOWN} WHERE requested_by = %s AND state = 'done'"
        " ORDER BY day DESC, requested_at DESC LIMIT 1",
        (BY_SCHEDULE,),
    )
    return session.cursor.fetchone()  # type: ignore[no-any-return]


def last_try(session: Session, day: date) -> datetime | None:
    """Return when the schedule last asked for a day."""
    session.cursor.execute(
        "SELECT max(requested_at) AS last FROM reconciliations"
        " WHERE requested_by = %s AND day = %s",
        (BY_SCHEDULE, day),
    )
    found: datetime | None = session.cursor.fetchone()["last"]
    return found


def open_differences(session: Session, since: date) -> dict[str, int]:
    """Return how many findings since a day do not agree and are not settled, by kind.

    The newest reconciliation of each day counts; the look at the days before only of the last one.
    """
    session.cursor.execute(
        "WITH newest AS (SELECT DISTINCT ON (day) reconciliation_id, day FROM reconciliations"
        " WHERE state = 'done' AND day >= %s ORDER BY day, requested_at DESC)"
        " SELECT kind, count(*) AS count FROM reconciliation_findings JOIN newest"
        " USING (reconciliation_id) WHERE kind <> 'matched'"
        " AND NOT coalesce((finding -> 'polled' ->> 'settled')::boolean, false)"
        " AND (NOT (finding ->> 'earlier')::boolean OR day = (SELECT max(day) FROM newest))"
        " GROUP BY kind",
        (since,),
    )
    return {row["kind"]: row["count"] for row in session.cursor.fetchall()}

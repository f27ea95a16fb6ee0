"""The act of reconciliation («Акт сверки») of an account between two days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from services.ledger.domain import account_id
from services.ledger.domain.events import ChargesPosted
from services.ledger.penalties.account_penalty import penalty
from services.ledger.penalties.law import law_in_force
from services.ledger.reports.history import shown_turnover, statement_between
from services.ledger.reports.statements import recorded_events
from services.ledger.reports.turnover import ADVANCE, PENALTY, Row
from shared.errors import ValidationFailed
from shared.eventstore import Session

MOST = 5_000
"""Movements of one act: some eighty years of an account that is billed and pays every month."""


def reconciliation(
    session: Session, number: str, first_day: date, last_day: date
) -> dict[str, Any]:
    """Return what took effect on an account between two days, and its turnover by service.

    Each of ``movements`` has the columns of the turnover sheet; with ``opening`` they add up to
    ``totals``, as ``services`` do. ``unbooked_penalty`` is what is owed of penalty by the rules,
    less what is booked, by the end of ``penalty_day``: the last day, or today where that day is to
    come; less than zero where a later correction has lowered what was accrued by then.
    Raises NotFound ``account_not_found``, ValidationFailed ``invalid_days``,
    ``too_many_movements``.
    """
    found = statement_between(session, number, first_day, last_day, 0, MOST)
    if found["next"] is not None:
        raise ValidationFailed(
            "too_many_movements", f"There are more than {MOST} movements: choose fewer days."
        )
    recorded = recorded_events(session, number)
    events = {one.position: one.event for one in recorded}
    turnover = shown_turnover(
        account_id(number), [one.event for one in recorded], first_day, last_day
    )
    names = names_of_services(events)
    penalty_day = min(last_day, session.today)
    owed = penalty(session, number, penalty_day, law_in_force())["owed"]
    return {
        "number": number,
        "first_day": first_day.isoformat(),
        "last_day": last_day.isoformat(),
        "movements": [
            with_columns(movement, events[movement["position"]]) for movement in found["movements"]
        ],
        "services": [
            {"service": service, "name": names.get(service, service), **row.as_dict()}
            for service, row in sorted(turnover.rows.items(), key=services_first)
            if any(row.as_dict().values())
        ],
        "totals": found["totals"],
        "penalty_day": penalty_day.isoformat(),
        "unbooked_penalty": owed - turnover.rows.get(PENALTY, Row()).closing,
    }


def with_columns(movement: Mapping[str, Any], event: Any) -> dict[str, Any]:
    """Return a movement of a statement with its sums in the columns of the turnover sheet."""
    columns = dict.fromkeys(("charged", "recalculated", "concession", "penalty", "paid"), 0)
    match movement["kind"]:
        case "charges":
            columns["charged"] = sum(line.charged for line in event.lines)
            columns["recalculated"] = sum(line.recalculation for line in event.lines)
            columns["concession"] = sum(line.concession for line in event.lines)
        case "adjustment":
            columns["recalculated"] = movement["amount"]
        case kind if kind.startswith("payment"):
            columns["paid"] = -movement["amount"] - movement["penalty"]
        case _:
            columns["penalty"] = movement["penalty"]
    named = ("position", "effective_on", "kind", "text", "taken", "balance")
    return {
        **{name: movement[name] for name in named},
        "period": movement["period"] or "",
        "reason": movement["reason"] or "",
        **columns,
    }


def names_of_services(events: Mapping[int, Any]) -> dict[str, str]:
    """Return the names of services as the latest bill of each has it."""
    return {
        line.service: line.name
        for event in events.values()
        if isinstance(event, ChargesPosted)
        for line in event.lines
    }


def services_first(row: tuple[str, Any]) -> tuple[int, str]:
    """Return the place of a row of the turnover: services, penalty, advance."""
    return {PENALTY: 1, ADVANCE: 2}.get(row[0], 0), row[0]

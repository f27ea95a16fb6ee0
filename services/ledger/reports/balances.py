"""Balances of accounts: now, as of a past day, or as recorded by a past instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from services.ledger.domain import Account, account_id
from services.ledger.penalties.account_penalty import effective_by, penalty_due
from services.ledger.penalties.rules import rules_in_force
from shared.errors import NotFound
from shared.eventstore import Session
from shared.money import Kopecks


def balance(session: Session, number: str, as_of: str | None) -> dict[str, Any]:
    """Return what an account owes now, or owed as of a past day or instant.

    ``as_of`` a date: what had taken effect by the end of that day; an instant: what had been
    recorded by then. ``penalty`` is what is accrued of it, ``penalty_due`` what is owed of it by
    the rules through that day, or through today. Raises NotFound ``account_not_found``.
    """
    if as_of is None:
        row = session.read.balance(number)
        if row is None:
            raise _no_account(number)
        due = _due_today(session, [row])[number]
        return _balance(row, as_of, due, _names(session, [number]))
    account, known, on = _account_as_of(session, number, as_of)
    due = penalty_due(known, account.penalty, on, rules_in_force())
    return _balance(account.snapshot(), as_of, due, _names(session, [number]))


def balances(session: Session, numbers: Sequence[str]) -> dict[str, Any]:
    """Return the current balances of accounts in the order given, unknown ones left out."""
    rows = {row["number"]: row for row in session.read.balances(numbers)}
    names = _names(session, numbers)
    due = _due_today(session, list(rows.values()))
    return {
        "balances": [
            _balance(rows[number], None, due[number], names) for number in numbers if number in rows
        ]
    }


def _due_today(session: Session, rows: Sequence[dict[str, Any]]) -> dict[str, Kopecks]:
    """Return the penalty due today by account; the histories are read by one query."""
    histories = session.histories([account_id(row["number"]) for row in rows])
    return {
        row["number"]: penalty_due(
            [recorded.event for recorded in histories.get(account_id(row["number"]), ())],
            row["penalty"],
            session.today,
            rules_in_force(),
        )
        for row in rows
    }


def _names(session: Session, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
    names: dict[str, dict[str, str]] = session.read.service_names(numbers)
    return names


def _account_as_of(session: Session, number: str, as_of: str) -> tuple[Account, list[Any], date]:
    """Return an account as of a day or instant, its events until then, and the day."""
    account = Account(account_id(number))
    history = session.history(account.id)
    if len(as_of) == len("2026-10-31"):
        on = date.fromisoformat(as_of)
        known = effective_by(account.id, [recorded.event for recorded in history], on)
    else:
        instant = datetime.fromisoformat(as_of)
        on = session.clock.day_of(instant)
        known = [recorded.event for recorded in history if recorded.recorded_at <= instant]
    for event in known:
        account.replay(event)
    if not account.version:
        raise _no_account(number)
    return account, known, on


def _balance(
    row: dict[str, Any], as_of: str | None, due: Kopecks, names: dict[str, dict[str, str]]
) -> dict[str, Any]:
    own_names = names.get(row["number"], {})
    services: dict[str, Kopecks] = {}
    for owed in row["open_items"].values():
        for service, amount in owed.items():
            services[service] = services.get(service, 0) + amount
    return {
        "number": row["number"],
        "as_of": as_of,
        "version": row["version"],
        "principal": row["principal"],
        "penalty": row["penalty"],
        "penalty_due": due,
        "advance": row["advance"],
        "services": [
            {"service": service, "name": own_names.get(service, service), "amount": amount}
            for service, amount in sorted(services.items())
        ],
    }


def _no_account(number: str) -> NotFound:
    return NotFound("account_not_found", "There is no such account in the ledger.", account=number)

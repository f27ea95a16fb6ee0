"""Balances of accounts: now, as of a past day, or as recorded by a past instant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from services.ledger.domain import Account, account_id
from services.ledger.domain.effective_order import by_effective_day
from services.ledger.domain.events import PenaltyAccrued, PenaltyCorrected, PenaltyWrittenOff
from services.ledger.domain.order import is_fact
from services.ledger.domain.settlement import Settlement, settle_facts
from services.ledger.domain.standing import Standing
from services.ledger.domain.tenures import MovedMonths
from services.ledger.penalties.account_penalty import penalties_due
from services.ledger.penalties.law import law_in_force
from shared.cooperation import cooperatively
from shared.errors import NotFound, ServiceError
from shared.eventstore import Recorded, Session
from shared.money import Kopecks


def balance(
    session: Session, number: str, as_of: str | None, *, whole: bool = True
) -> dict[str, Any]:
    """Return what an account owes now, or owed as of a past day or instant.

    ``as_of`` a date: what had taken effect by the end of that day; an instant: what had been
    recorded by then. ``penalty`` is what is accrued and neither paid nor written off;
    ``penalty_due`` what is owed by the rules through the day. Not ``whole`` is as persons see it:
    without the months that `MovedMonths` hides. Raises NotFound ``account_not_found``.
    """
    if as_of is None:
        row = session.read.balance(number)
        if row is None:
            raise _no_account(number)
        due = penalties_due(session, [row], session.today, law_in_force())
        return _balance(row, as_of, _names(session, [number]), due)
    row = _row_as_of(session, number, as_of, whole=whole)
    return _balance(row, as_of, _names(session, [number]), {number: row["penalty_due"]})


def balance_many(
    session: Session, asked: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any] | ServiceError]:
    """Return what `balance` does, as persons see it, for each ``{number, as_of}``; or the refusal.

    The current ones take three queries, however many they are.
    """
    now = _current(session, sorted({one["number"] for one in asked if one["as_of"] is None}))
    found = list[dict[str, Any] | ServiceError]()
    for one in asked:
        number = one["number"]
        if one["as_of"] is None:
            found.append(now.get(number) or _no_account(number))
            continue
        try:
            found.append(balance(session, number, one["as_of"], whole=False))
        except ServiceError as error:
            found.append(error)
    return found


def balances(session: Session, numbers: Sequence[str]) -> dict[str, Any]:
    """Return the current balances of accounts in the order given, unknown ones left out."""
    return balances_many(session, [numbers])[0]


def balances_many(session: Session, asked: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Return what `balances` does for each of many lists of numbers."""
    now = _current(session, sorted({number for numbers in asked for number in numbers}))
    return [{"balances": [now[number] for number in numbers if number in now]} for numbers in asked]


def _current(session: Session, numbers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the current balances of accounts by number, unknown ones left out."""
    if not numbers:
        return {}
    rows = session.read.balances(numbers)
    names = _names(session, numbers)
    due = penalties_due(session, rows, session.today, law_in_force())
    return {row["number"]: _balance(row, None, names, due) for row in rows}


def _names(session: Session, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
    names: dict[str, dict[str, str]] = session.read.service_names(numbers)
    return names


def _row_as_of(session: Session, number: str, as_of: str, *, whole: bool) -> dict[str, Any]:
    """Return the figures of an account as of the end of a day, or as recorded by an instant."""
    history = session.history(account_id(number))
    shown = history if whole else _own(history)
    if len(as_of) == len("2026-10-31"):
        row = _row_by_day(number, shown, date.fromisoformat(as_of))
    else:
        instant = datetime.fromisoformat(as_of)
        if len(shown) == len(history):
            row = _row_by_instant(session, number, history, instant)
        else:
            row = _row_of_own(session, number, shown, instant)
    if row is None:
        raise _no_account(number)
    return row


def _own(history: Sequence[Recorded]) -> list[Recorded]:
    """Return what is recorded of an account without the months of its next holder."""
    moved = MovedMonths([recorded.event for recorded in history])
    return [recorded for recorded in cooperatively(history) if not moved.has(recorded.event)]


def _row_by_day(number: str, history: Sequence[Recorded], day: date) -> dict[str, Any] | None:
    """Return how an account stood by its facts until a day, whenever they were recorded.

    The penalty is what was booked by then; below 0 where a payment is known whose penalty was
    accrued only later.
    """
    order = by_effective_day([recorded.event for recorded in history])
    events = [event for event in order if event.effective_on <= day]
    if not events:
        return None
    stood = settle_facts([event for event in events if is_fact(event)], law_in_force(), day)
    figures = _figures(stood, events)
    if len(events) == len(order):
        figures.settle()
    return _row(number, len(events), figures, max(0, stood.penalty_owed(day)))


def _figures(stood: Settlement, events: Sequence[Any]) -> Standing:
    return Standing.of(stood.open, _booked(events) - stood.penalty_paid, stood.advance)


def _row(number: str, version: int, figures: Standing, penalty_due: Kopecks) -> dict[str, Any]:
    return {
        "number": number,
        "version": version,
        "principal": figures.principal,
        "penalty": figures.penalty,
        "penalty_due": penalty_due,
        "advance": figures.advance,
        "open_items": figures.open_items,
    }


def _booked(events: Sequence[Any]) -> Kopecks:
    """Return what events have accrued of penalty, and not waived."""
    booked = 0
    for event in events:
        match event:
            case PenaltyAccrued():
                booked += event.amount
            case PenaltyCorrected():
                booked += event.amount + event.waived
            case PenaltyWrittenOff():
                booked -= event.amount
    return booked


def _row_by_instant(
    session: Session, number: str, history: Sequence[Recorded], instant: datetime
) -> dict[str, Any] | None:
    """Return an account as it was recorded by an instant."""
    account = Account(account_id(number))
    account.law = law_in_force()
    for recorded in cooperatively(history):
        if recorded.recorded_at <= instant:
            account.replay(recorded.event)
    if not account.version:
        return None
    day = session.clock.day_of(instant)
    return {**account.snapshot(), "penalty_due": account.penalty_due(day)}


def _row_of_own(
    session: Session, number: str, shown: Sequence[Recorded], instant: datetime
) -> dict[str, Any] | None:
    """Return an account by its own facts that were recorded by an instant.

    What was recorded names what it paid of the months that are left out, so it is settled anew.
    """
    events = [recorded.event for recorded in shown if recorded.recorded_at <= instant]
    if not events:
        return None
    law, day = law_in_force(), session.clock.day_of(instant)
    facts = [event for event in by_effective_day(events) if is_fact(event)]
    figures = _figures(settle_facts(facts, law), events).settle()
    due = settle_facts(facts, law, day).penalty_owed(day)
    return _row(number, len(events), figures, max(0, due))


def _balance(
    row: dict[str, Any],
    as_of: str | None,
    names: dict[str, dict[str, str]],
    due: dict[str, Kopecks],
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
        "penalty_due": due[row["number"]],
        "advance": row["advance"],
        "services": [
            {"service": service, "name": own_names.get(service, service), "amount": amount}
            for service, amount in sorted(services.items())
        ],
    }


def _no_account(number: str) -> NotFound:
    return NotFound("account_not_found", "There is no such account in the ledger.", account=number)

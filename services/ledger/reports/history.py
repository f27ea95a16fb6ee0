"""The history of an account: by days with the balance after each line, or event by event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.domain import Account, account_id
from services.ledger.domain.effective_order import by_effective_day, in_effective_order
from services.ledger.domain.events import AccountOpened, OpeningPosted
from services.ledger.domain.tenures import MovedMonths
from services.ledger.penalties.law import PenaltyLaw, law_in_force
from services.ledger.reports.statements import HiddenMonths, movement, recorded_events
from services.ledger.reports.totals import TurnoverReport
from services.ledger.reports.turnover import Turnover
from shared.cooperation import cooperatively
from shared.errors import ValidationFailed
from shared.eventstore import Recorded, Session


def statement_by_days(
    session: Session, number: str, first_day: date | None = None, last_day: date | None = None
) -> dict[str, Any]:
    """Return what took effect between two days, in that order, with the balance after each event.

    ``opening`` and ``closing`` are the balances before the first and after the last day: principal
    plus penalty minus advance, in kopecks, as ``balance --as-of`` returns them. Raises NotFound
    ``account_not_found``, ValidationFailed for days in the wrong order.
    """
    if first_day and last_day and first_day > last_day:
        raise ValidationFailed("invalid_days", "The first day is after the last one.")
    account, opening, movements = Account(account_id(number)), 0, []
    for recorded in cooperatively(_by_effective_day(recorded_events(session, number))):
        event: Any = recorded.event
        if last_day and event.effective_on > last_day:
            break
        account.replay(event)
        if first_day and event.effective_on < first_day:
            opening = _balance(account)
        else:
            movements.append(movement(recorded, account))
    return {
        "number": number,
        "from": first_day.isoformat() if first_day else None,
        "to": last_day.isoformat() if last_day else None,
        "opening": opening,
        "movements": movements,
        "closing": _balance(account),
    }


def statement_between(
    session: Session, number: str, first_day: date, last_day: date, after: int, limit: int
) -> dict[str, Any]:
    """Return a page of what took effect from one day to another, with the balance after each.

    ``after`` is how many movements the pages before had. ``totals`` are those of the turnover
    sheet for these days, of all pages: opening + charged + recalculated - concession + penalty -
    paid = closing. What was owed when the account was taken over counts as opening, as there.
    Raises NotFound ``account_not_found``, ValidationFailed for days in the wrong order.
    """
    _check_order(first_day, last_day)
    recorded = recorded_events(session, number)
    movements, totals = _between(account_id(number), recorded, first_day, last_day)
    page = movements[after : after + limit]
    return {
        "number": number,
        "from": first_day.isoformat(),
        "to": last_day.isoformat(),
        "movements": page,
        "totals": totals,
        "next": after + limit if len(movements) > after + limit else None,
    }


def statements_between(
    session: Session,
    numbers: Sequence[str],
    first_day: date,
    last_day: date,
    after: int,
    limit: int,
) -> dict[str, Any]:
    """Return a page of what took effect on several accounts, one account after the other.

    ``after`` is how many movements the pages before had, of all accounts together. Each page has
    the ``totals`` of every account as `statement_between` has them; one that nothing is booked on
    has none but zeros. Raises ValidationFailed for days in the wrong order.
    """
    _check_order(first_day, last_day)
    histories = session.histories([account_id(number) for number in numbers])
    movements, accounts = list[tuple[str, dict[str, Any]]](), list[dict[str, Any]]()
    for number in cooperatively(numbers):
        id_ = account_id(number)
        found, totals = _between(id_, histories.get(id_, ()), first_day, last_day)
        movements += [(number, one) for one in found]
        accounts.append({"number": number, "totals": totals})
    page = movements[after : after + limit]
    return {
        "accounts": [
            {**account, "movements": [one for number, one in page if number == account["number"]]}
            for account in accounts
        ],
        "next": after + limit if len(movements) > after + limit else None,
    }


def _between(
    id_: UUID, recorded: Sequence[Recorded], first_day: date, last_day: date
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the movements of an account in given days, and their totals."""
    account, movements = Account(id_), list[dict[str, Any]]()
    events = [one.event for one in recorded]
    moved = HiddenMonths(events)
    for one in cooperatively(_by_effective_day(recorded)):
        event: Any = one.event
        if event.effective_on > last_day:
            break
        account.replay(event)
        taken_over = isinstance(event, AccountOpened | OpeningPosted)
        if not moved.hides(event) and event.effective_on >= first_day and not taken_over:
            movements.append(moved.shown(movement(one, account)))
    return movements, shown_turnover(id_, events, first_day, last_day).total.as_dict()


def shown_turnover(
    id_: UUID, events: Sequence[Any], first_day: date, last_day: date
) -> TurnoverReport:
    """Return the turnover of one account without the months that are the next holder's."""
    moved, turnover = MovedMonths(events), Turnover(first_day, last_day)
    in_order = in_effective_order(id_, events, law_in_force())
    turnover.add(event for event in cooperatively(in_order) if not moved.has(event))
    return TurnoverReport(dict(turnover.rows), {})


def _check_order(first_day: date, last_day: date) -> None:
    if first_day > last_day:
        raise ValidationFailed("invalid_days", "The first day is after the last one.")


def event_history(session: Session, number: str) -> list[dict[str, Any]]:
    """Return each event of an account in the order of the log, with the state after it.

    Unlike a statement, it also has the actor, the command, and the corrected event.
    """
    account, history = Account(account_id(number)), list[dict[str, Any]]()
    for recorded in cooperatively(recorded_events(session, number)):
        account.replay(recorded.event)
        corrected = getattr(recorded.event, "corrects", 0)
        history.append(
            {
                **movement(recorded, account),
                "version": recorded.originator_version,
                "topic": recorded.event.topic,
                "actor": recorded.actor,
                "command_id": str(recorded.command_id),
                "correlation_id": recorded.correlation_id,
                "corrects": _corrected(history[corrected - 1]) if corrected else None,
                "principal": account.principal,
                "penalty_owed": account.penalty,
                "advance": account.advance,
                "event": msgspec.to_builtins(recorded.event),
            }
        )
    return history


def _by_effective_day(history: Sequence[Recorded]) -> list[Recorded]:
    return in_order_of_effect(history, law_in_force())


def in_order_of_effect(history: Sequence[Recorded], law: PenaltyLaw) -> list[Recorded]:
    """Return events as they would be, had they been recorded in the order of effect."""
    if not history:
        return []
    events: list[Any] = [recorded.event for recorded in history]
    order = by_effective_day(events)
    place = {id(event): recorded for event, recorded in zip(events, history, strict=True)}
    unchanged = {id(event) for event in order}
    # The opening comes first, in its own order, perhaps with another day.
    taken_over = iter([recorded for recorded in history if id(recorded.event) not in unchanged])
    return [
        msgspec.structs.replace(place.get(id(event)) or next(taken_over), event=effective)
        for event, effective in zip(
            order, in_effective_order(history[0].originator_id, events, law), strict=True
        )
    ]


def _corrected(step: dict[str, Any]) -> dict[str, Any]:
    return {name: step[name] for name in ("version", "position", "effective_on", "text")}


def _balance(account: Account) -> int:
    return account.principal + account.penalty - account.advance

"""An account with every kind of event, and its stream."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import AdvanceSettled, ChargeLine, ServiceAmount
from shared.eventstore import Recorded
from tests.unit.ledger.penalty_corrections import correct_penalty

NUMBER = "0100000001"
ID = account_id(NUMBER)
OCTOBER, NOVEMBER = "2026-10", "2026-11"


def day(text: str) -> date:
    return date.fromisoformat(f"2026-{text}")


def an_account(on: str = "09-01", *opening: ServiceAmount) -> Account:
    account = Account(ID)
    account.open(NUMBER, "household", day(on), opening)
    return account


def bill(account: Account, on: str, period: str = OCTOBER, **sums: int) -> None:
    lines = [ChargeLine(service, service, amount, amount) for service, amount in sums.items()]
    account.post_charges(period, day(on), day(on), lines)


def eventful() -> Account:
    """Return an account with every kind of event, each figure a different one.

    What was taken over for the lift pays 30 of heating; what water gives back pays 40 of October.
    The payment leaves 80, of its 100 beyond principal, to November. The recalculation gives 300
    back, which pays waste and 275 of November; the correction 31, which pays more of it.
    """
    account = an_account("09-01")
    taken_over = [ServiceAmount("heating", 1_000), ServiceAmount("lift", -30)]
    account.post_opening(day("09-02"), taken_over)
    account.change_payer_kind("organisation", day("09-03"))
    lines = [
        ChargeLine("heating", "Отопление", 470, 500, recalculation=-20, concession=10),
        ChargeLine("water", "Вода", -40, 60, recalculation=-100),
    ]
    account.post_charges(OCTOBER, day("10-31"), day("11-16"), lines)
    account.accrue_penalty(90, day("11-20"), "rule-1")
    paid = uuid4()
    account.post_payment(paid, day("11-21"), 1_500, 70)
    bill(account, "11-30", NOVEMBER, water=600)
    items = [ServiceAmount("heating", -300), ServiceAmount("waste", 25)]
    account.adjust_charges(uuid4(), OCTOBER, day("12-01"), items, "no heating")
    correct_penalty(account, -31, day("12-02"), "rule-1", "paid", through=day("11-21"))
    account.accrue_penalty(8, day("12-03"), "rule-1")
    account.write_off_penalty(3, day("12-04"), "a court decision")
    account.record(AdvanceSettled(account=NUMBER, effective_on=day("12-04")))
    account.reverse_payment(paid, day("12-05"), "refused by the bank")
    return account


class Stream:
    """What the queries need of a session: the stream of one account."""

    def __init__(self, events: list[Any]) -> None:
        self._events = events

    def history(self, id: UUID) -> list[Recorded]:
        return [
            Recorded(
                originator_id=id,
                originator_version=place,
                position=place * 10,
                recorded_at=datetime(2026, 12, 31, 12, place, tzinfo=UTC),
                command_id=ID,
                actor="staff:test",
                correlation_id="",
                event=event,
            )
            for place, event in enumerate(self._events, 1)
        ]

    def histories(self, ids: Sequence[UUID]) -> dict[UUID, list[Recorded]]:
        return {id_: history for id_ in ids if (history := self.history(id_))}

"""The use cases of the ledger on the in-memory store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.domain import EVENTS, Account
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.publishing import publish
from services.ledger.reports import statements
from services.ledger.reports.balances import balance, balances
from shared.contracts.ledger import CONTRACTS
from shared.errors import Conflict, NotFound, ValidationFailed
from shared.eventstore import Aggregate, MemoryStore, Recorded
from tests.fixed_clock import FixedClock
from tests.ledger_commands import PostCharges, post_charges

FIRST, SECOND = "0100000001", "0100000002"
MONTH = timedelta(days=30)


class FakeReadModel:
    """The rows that the real read model keeps, in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        for entry in recorded:
            snapshot: dict[str, Any] = aggregates[entry.originator_id].snapshot()  # type: ignore[attr-defined]
            self.rows[snapshot["number"]] = snapshot

    def balance(self, number: str) -> dict[str, Any] | None:
        return self.rows.get(number)

    def service_names(self, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
        return {number: {"heating": "Отопление"} for number in numbers}

    def balances(self, numbers: Sequence[str]) -> list[dict[str, Any]]:
        return [self.rows[number] for number in numbers if number in self.rows]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 9, 1, 9, tzinfo=UTC))


@pytest.fixture
def store(clock: FixedClock) -> MemoryStore:
    made = MemoryStore(EVENTS, FakeReadModel(), clock)
    for number in (FIRST, SECOND):
        opening = (ServiceAmount("heating", 1_000),)
        made.execute(
            open_account, OpenAccount(number=number, payer_kind="household", opening=opening)
        )
    return made


def pay(store: MemoryStore, on: date, *lines: tuple[str, int, int]) -> UUID:
    payment_id = uuid4()
    paid = tuple(PaidLine(account=a, amount=b, penalty=c) for a, b, c in lines)
    store.execute(post_payment, PostPayment(payment_id=payment_id, paid_on=on, lines=paid))
    return payment_id


def bill(store: MemoryStore, period: str, on: date, payable: int) -> None:
    line = ChargeLine("heating", "Отопление", payable, payable, tariff="2140.55", volume="1.5")
    store.execute(
        post_charges,
        PostCharges(number=FIRST, period=period, due_on=on, effective_on=on, lines=(line,)),
    )


def test_a_payment_of_several_accounts_is_posted_to_each(store: MemoryStore) -> None:
    pay(store, date(2026, 9, 1), (FIRST, 400, 0), (SECOND, 600, 0))
    found = store.query(lambda session: balances(session, [SECOND, FIRST, "9"]))
    assert [(b["number"], b["principal"]) for b in found["balances"]] == [
        (SECOND, 400),
        (FIRST, 600),
    ]


def test_a_month_that_the_payer_named_is_paid_first(store: MemoryStore) -> None:
    for period in ("2026-08", "2026-07"):
        line = ChargeLine("heating", "Отопление", 500, 500)
        day = date(2026, 9, 1)
        bill = PostCharges(number=FIRST, period=period, due_on=day, effective_on=day, lines=(line,))
        store.execute(post_charges, bill)
    named = PaidLine(account=FIRST, amount=600, penalty=0, period="2026-08")
    paid = PostPayment(payment_id=uuid4(), paid_on=date(2026, 9, 1), lines=(named,))
    store.execute(post_payment, paid)
    owed = store.query(lambda session: session.read.balance(FIRST))["open_items"]
    assert owed == {"0001-01": {"heating": 900}, "2026-07": {"heating": 500}}


@pytest.mark.parametrize("period", ["", "2026-13", "август"])
def test_a_payer_names_a_month_or_none(store: MemoryStore, period: str) -> None:
    lines = (
        PaidLine(account=SECOND, amount=600, penalty=0),
        PaidLine(account=FIRST, amount=600, penalty=0, period=period),
    )
    paid = PostPayment(payment_id=uuid4(), paid_on=date(2026, 9, 1), lines=lines)
    with pytest.raises(ValidationFailed):
        store.execute(post_payment, paid)
    assert store.query(lambda session: balance(session, SECOND, None))["principal"] == 1_000


def test_a_payment_to_one_unknown_account_posts_nothing_at_all(store: MemoryStore) -> None:
    with pytest.raises(NotFound):
        pay(store, date(2026, 9, 1), (FIRST, 400, 0), ("999", 600, 0))
    assert store.query(lambda session: balance(session, FIRST, None))["principal"] == 1_000


def test_a_balance_as_of_a_past_instant_is_what_was_recorded_then(
    store: MemoryStore, clock: FixedClock
) -> None:
    before = clock.now()
    clock.advance(MONTH)
    pay(store, date(2026, 8, 20), (FIRST, 400, 0))
    for instant, owed in ((before, 1_000), (clock.now(), 600)):
        found = store.query(lambda s, at=instant: balance(s, FIRST, at.isoformat()))
        assert found["principal"] == owed


def test_a_balance_as_of_a_past_day_is_what_had_taken_effect(
    store: MemoryStore, clock: FixedClock
) -> None:
    clock.advance(MONTH)
    bill(store, "2026-09", date(2026, 9, 30), 500)
    clock.advance(MONTH)
    # Recorded after the bill, and of a day before it: it pays what was owed on that day.
    pay(store, date(2026, 9, 15), (FIRST, 1_200, 0))

    def on(day: str) -> tuple[int, int]:
        found = store.query(lambda session: balance(session, FIRST, day))
        return found["principal"], found["advance"]

    assert on("2026-09-14") == (1_000, 0)
    assert on("2026-09-15") == (0, 200)
    assert on("2026-09-30") == (300, 0)
    now = store.query(lambda session: balance(session, FIRST, None))
    assert (now["principal"], now["advance"]) == (300, 0)


def test_a_bill_of_a_month_before_the_account_was_opened_has_its_balance(
    store: MemoryStore,
) -> None:
    bill(store, "2026-05", date(2026, 5, 31), 500)
    found = store.query(lambda session: balance(session, FIRST, "2026-05-31"))
    # What was owed at the opening was owed before all other events.
    assert (found["number"], found["principal"]) == (FIRST, 1_500)


def test_a_day_before_the_account_has_no_balance(store: MemoryStore) -> None:
    with pytest.raises(NotFound):
        store.query(lambda session: balance(session, FIRST, "2026-08-31"))
    with pytest.raises(NotFound):
        store.query(lambda session: balance(session, "999", None))


def test_months_come_newest_first_in_pages(store: MemoryStore) -> None:
    for month in (7, 9, 8):
        bill(store, f"2026-0{month}", date(2026, month, 28), 100 * month)
    page = store.query(lambda session: statements.charges(session, FIRST, None, 2))
    assert [month["period"] for month in page["months"]] == ["2026-09", "2026-08"]
    rest = store.query(lambda session: statements.charges(session, FIRST, page["next"], 2))
    assert [month["period"] for month in rest["months"]] == ["2026-07"]
    assert rest["next"] is None
    assert rest["months"][0]["lines"][0]["tariff"] == "2140.55"


def test_a_statement_runs_up_to_the_balance(store: MemoryStore) -> None:
    bill(store, "2026-09", date(2026, 9, 28), 500)
    pay(store, date(2026, 9, 1), (FIRST, 1_700, 0))
    page = store.query(lambda session: statements.statement(session, FIRST, None, 10))
    assert [(m["kind"], m["amount"], m["balance"]) for m in page["movements"]] == [
        ("opening", 1_000, 1_000),
        ("charges", 500, 1_500),
        ("payment", -1_700, -200),
    ]
    second = store.query(
        lambda session: statements.statement(session, FIRST, page["movements"][0]["position"], 1)
    )
    assert [m["kind"] for m in second["movements"]] == ["charges"]
    assert second["next"] == second["movements"][0]["position"]


def test_every_publication_keeps_its_contract(store: MemoryStore) -> None:
    bill(store, "2026-09", date(2026, 9, 28), 500)
    pay(store, date(2026, 9, 1), (FIRST, 1_700, 0))
    contracts = {contract.type: contract for contract in CONTRACTS}
    seen = set()
    for recorded in store.log:
        publication = publish(recorded)
        assert publication is not None
        contracts[publication.type].check(publication.data)
        seen.add(publication.type)
    assert seen == {"account_opened", "charges_posted", "payment_posted"}


@pytest.mark.parametrize("day", [date(2099, 1, 1), date(2026, 9, 8), date(1926, 9, 1)])
def test_nobody_has_paid_next_week_or_a_century_ago(store: MemoryStore, day: date) -> None:
    with pytest.raises(ValidationFailed) as refused:
        pay(store, day, (FIRST, 400, 0))
    assert refused.value.code == "invalid_day"
    assert store.query(lambda session: balance(session, FIRST, None))["principal"] == 1_000


def test_a_day_that_has_begun_in_another_zone_may_be_that_of_a_payment(store: MemoryStore) -> None:
    pay(store, date(2026, 9, 2), (FIRST, 400, 0))
    assert store.query(lambda session: balance(session, FIRST, None))["principal"] == 600


@pytest.mark.parametrize("other", [{"amount": 401}, {"penalty": 1}, {"paid_on": date(2026, 8, 31)}])
def test_one_payment_has_one_sum_and_one_day(store: MemoryStore, other: dict[str, Any]) -> None:
    payment_id = pay(store, date(2026, 9, 1), (FIRST, 400, 0))

    def again(amount: int = 400, penalty: int = 0, paid_on: date = date(2026, 9, 1)) -> Any:
        line = PaidLine(account=FIRST, amount=amount, penalty=penalty)
        command = PostPayment(payment_id=payment_id, paid_on=paid_on, lines=(line,))
        return store.execute(post_payment, command)

    assert again()["posted"] == []
    with pytest.raises(Conflict) as refused:
        again(**other)
    assert refused.value.code == "payment_posted_otherwise"
    assert "4,00" in refused.value.message


def test_a_balance_has_the_penalty_accrued_and_the_penalty_due(
    store: MemoryStore, clock: FixedClock
) -> None:
    # An opening debt of 450 000 kopecks that has been overdue since the 1st of September.
    opening = (ServiceAmount("heating", 450_000),)
    store.execute(
        open_account, OpenAccount(number="0100000003", payer_kind="household", opening=opening)
    )
    clock.advance(timedelta(days=66))  # to 2026-11-06, the 66th day of delay

    [now] = store.query(lambda session: balances(session, ["0100000003"]))["balances"]
    assert (now["penalty"], now["penalty_due"]) == (0, 5_130)

    def due(as_of: str) -> int:
        found = store.query(lambda session: balance(session, "0100000003", as_of))
        assert found["penalty"] == 0
        return int(found["penalty_due"])

    assert due("2026-10-01") == 0
    assert due("2026-10-02") == 143, "the 31st day of delay"
    assert due("2026-11-06") == 5_130
    assert due("2026-10-02T23:30:00+03:00") == 143, "the day of that instant"


def test_a_penalty_paid_before_it_is_accrued_is_not_due(
    store: MemoryStore, clock: FixedClock
) -> None:
    clock.advance(timedelta(days=200))
    [found] = store.query(lambda session: balances(session, [FIRST]))["balances"]
    assert found["penalty_due"] > 0
    pay(store, clock.today(), (FIRST, found["principal"], found["penalty_due"]))
    [paid] = store.query(lambda session: balances(session, [FIRST]))["balances"]
    owed = ("principal", "penalty", "penalty_due", "advance")
    assert [paid[name] for name in owed] == [0, 0, 0, 0]


def test_a_penalty_is_calculated_once_for_a_history_and_a_day(
    store: MemoryStore, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    calculated = list[date]()
    calculate = Account.penalty_due

    def counted(account: Account, on: date) -> int:
        calculated.append(on)
        return calculate(account, on)

    def due() -> int:
        [found] = store.query(lambda session: balances(session, [FIRST]))["balances"]
        return int(found["penalty_due"])

    monkeypatch.setattr(Account, "penalty_due", counted)
    clock.advance(timedelta(days=200))
    first = due()
    assert due() == first
    assert len(calculated) == 1
    pay(store, clock.today(), (FIRST, 400, 0))
    assert due() == first, "what has accrued until today is still owed"
    assert len(calculated) == 2, "another history"
    clock.advance(timedelta(days=30))
    assert due() > first
    assert len(calculated) == 3, "another day"

"""A number changes its holder in the middle of a year: each holder has his own months."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from corrected_ledger import FIRST, Ledger

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import (
    AccountClosed,
    AccountOpened,
    ChargeLine,
    ChargesAdjusted,
    PaymentPosted,
    ServiceAmount,
)
from services.ledger.domain.proposal import AdjustCharges
from services.ledger.domain.tenures import Tenure, current_key, key_of_month
from services.ledger.papers.reconciliation import reconciliation
from services.ledger.publishing import publish
from services.ledger.reactions import REACTIONS
from services.ledger.reports.bills import bill as report_of_bill
from services.ledger.reports.history import statement_between
from services.ledger.reports.statements import charges, statement
from services.ledger.tenures import OpenTenure, named_key, open_tenure
from shared.bus import Message
from shared.contracts.ledger import CONTRACTS
from shared.errors import Conflict, NotFound, ServiceError
from tests.ledger_commands import PostCharges, post_charges

SECOND = f"{FIRST}-2"
SINCE = date(2026, 10, 10)


@pytest.fixture
def ledger() -> Ledger:
    """A ledger with bills of September and October, of 1 000.00 and 6 000.00."""
    made = Ledger()
    bill(made, "2026-09", date(2026, 9, 30), date(2026, 11, 15), 1_000_00)
    return made


def bill(ledger: Ledger, period: str, on: date, due_on: date, *sums: int, key: str = FIRST) -> None:
    lines = tuple(
        ChargeLine(
            service, service, payable=amount, charged=max(amount, 0), recalculation=min(amount, 0)
        )
        for service, amount in zip(("heating", "water"), sums, strict=False)
    )
    command = PostCharges(number=key, period=period, due_on=due_on, effective_on=on, lines=lines)
    ledger.does(post_charges, command)


def hears(ledger: Ledger, source: str, type_: str, **data: Any) -> None:
    message = Message(
        id=f"{source}-7",
        type=type_,
        source=source,
        subject=FIRST,
        time=ledger.clock.now(),
        position=7,
        predecessor=6,
        correlation_id="",
        data=data,
    )
    react = REACTIONS[source][type_]
    ledger.does(lambda session, message: react(session, message, cast(Any, None)), message)


def holder_changes(ledger: Ledger, since: date = SINCE, tenure: int = 2) -> None:
    until = (since - timedelta(days=1)).isoformat()
    closed = {"number": FIRST, "tenure": tenure - 1, "until": until}
    hears(ledger, "accounts", "tenure_closed", **closed)
    hears(
        ledger,
        "accounts",
        "tenure_opened",
        number=FIRST,
        tenure=tenure,
        since=since.isoformat(),
        payer_kind="organisation",
    )


def account(ledger: Ledger, key: str) -> Account:
    return ledger.store.query(lambda session: session.load(Account, account_id(key)))  # type: ignore[no-any-return]


def bank_takes(ledger: Ledger, payment_id: UUID, amount: int) -> None:
    hears(
        ledger,
        "payments",
        "bank_payment_accepted",
        payment_id=str(payment_id),
        account=FIRST,
        amount=amount,
        paid_on="2026-11-18",
        document="000777",
    )


def events(ledger: Ledger, kind: type[Any]) -> list[Any]:
    return [one.event for one in ledger.store.log if isinstance(one.event, kind)]


def test_next_holder_begins_with_an_account_of_his_own_and_his_kind_of_payer(
    ledger: Ledger,
) -> None:
    holder_changes(ledger)
    opened = events(ledger, AccountOpened)[-1]
    assert (opened.account, opened.payer_kind) == (SECOND, "organisation")
    assert (opened.effective_on, opened.opening) == (SINCE, ())
    [closed] = events(ledger, AccountClosed)
    assert (closed.account, closed.effective_on) == (FIRST, date(2026, 10, 9))


def test_month_goes_to_the_holder_of_its_last_day_once(ledger: Ledger) -> None:
    holder_changes(ledger)
    former, new = account(ledger, FIRST), account(ledger, SECOND)
    assert former.principal == 1_000_00
    assert (new.principal, sorted(new.charged_periods)) == (6_000_00, ["2026-10"])
    [taken_back] = events(ledger, ChargesAdjusted)
    assert taken_back.period == "2026-10"
    assert "с 10.10.2026" in taken_back.reason
    length = ledger.log_length()
    holder_changes(ledger)
    assert ledger.log_length() == length


def test_former_holder_no_longer_sees_a_month_that_is_the_next_ones(ledger: Ledger) -> None:
    holder_changes(ledger)

    def months(key: str) -> list[str]:
        found = ledger.store.query(lambda session: charges(session, key, None, 24))
        return [month["period"] for month in found["months"]]

    assert months(FIRST) == ["2026-09"]
    assert months(SECOND) == ["2026-10"]
    with pytest.raises(NotFound) as refused:
        ledger.store.query(lambda session: report_of_bill(session, FIRST, "2026-10"))
    assert refused.value.params["latest"] == "2026-09"
    assert ledger.store.query(lambda session: report_of_bill(session, SECOND, "2026-10"))["lines"]


@pytest.mark.parametrize("since", [SINCE, date(2026, 10, 20)])
def test_a_month_that_was_handed_on_once_moves_on_from_where_it_is(
    ledger: Ledger, since: date
) -> None:
    holder_changes(ledger)
    opened = OpenTenure(number=FIRST, tenure=3, since=since, payer_kind="household")
    for _ in range(2):
        ledger.does(open_tenure, opened)
        owed = [account(ledger, key).principal for key in (FIRST, SECOND, f"{FIRST}-3")]
        assert owed == [1_000_00, 0, 6_000_00]


def test_former_holders_statements_leave_out_the_months_of_the_next_one(ledger: Ledger) -> None:
    bank_takes(ledger, uuid4(), 7_000_00)
    bill(ledger, "2026-11", date(2026, 11, 19), date(2026, 12, 15), 500_00)
    holder_changes(ledger)
    days, asked = (date(2026, 9, 1), date(2026, 12, 31)), ledger.store.query
    whole = asked(lambda session: statement(session, FIRST, None, 100))["movements"]
    between = asked(lambda session: statement_between(session, FIRST, *days, 0, 100))
    act = asked(lambda session: reconciliation(session, FIRST, *days))
    for shown in (whole, between["movements"], act["movements"]):
        assert {one["period"] for one in shown} <= {None, "", "2026-09"}
        assert shown[-1]["balance"] == -6_000_00
        balance = 0
        for one in shown:
            of_act = one.get("charged", 0) - one.get("paid", 0)
            balance += one["amount"] + one["penalty"] if "amount" in one else of_act
            assert one["balance"] == balance, one
    assert between["totals"]["charged"] == act["totals"]["charged"] == 1_000_00
    assert between["totals"]["recalculated"] == 0
    assert between["totals"]["closing"] == -6_000_00
    assert sum(row["charged"] for row in act["services"]) == 1_000_00
    next_ones = asked(lambda session: statement(session, SECOND, None, 100))["movements"]
    assert [one["amount"] for one in next_ones if one["period"] == "2026-10"] == [6_000_00]


def test_moved_month_keeps_its_recalculations_and_money_back(ledger: Ledger) -> None:
    bill(ledger, "2026-11", date(2026, 11, 19), date(2026, 12, 15), 500_00, -70_00)
    ledger.corrects(
        AdjustCharges(account=FIRST, period="2026-10", lines=(ServiceAmount("heating", -1_000_00),))
    )
    before = account(ledger, FIRST)
    holder_changes(ledger)
    former, new = account(ledger, FIRST), account(ledger, SECOND)
    assert (former.principal, former.penalty, former.advance) == (1_000_00, 0, 0)
    assert new.principal - new.advance == before.principal - before.advance - 1_000_00


def test_what_the_former_holder_has_paid_of_a_moved_month_is_his_advance(ledger: Ledger) -> None:
    bank_takes(ledger, uuid4(), 7_000_00)
    holder_changes(ledger)
    former, new = account(ledger, FIRST), account(ledger, SECOND)
    assert (former.principal, former.advance) == (0, 6_000_00)
    assert (new.principal, new.advance) == (6_000_00, 0)


def test_nobody_is_late_with_a_month_before_he_was_charged_for_it(ledger: Ledger) -> None:
    ledger.clock.advance(datetime(2027, 3, 1, 9, tzinfo=UTC) - ledger.clock.now())
    holder_changes(ledger)
    new = account(ledger, SECOND)
    assert new.due_dates["2026-10"] >= date(2027, 3, 1)


def test_month_of_a_closed_book_is_taken_back_in_the_open_one(ledger: Ledger) -> None:
    ledger.read_model.closed = date(2026, 10, 31)
    holder_changes(ledger)
    [taken_back] = events(ledger, ChargesAdjusted)
    assert taken_back.effective_on == date(2026, 11, 1)
    assert account(ledger, SECOND).bills["2026-10"][1].effective_on == date(2026, 11, 1)


def test_payment_of_a_bank_goes_to_the_holder_of_now_and_stays_where_it_is(ledger: Ledger) -> None:
    early, late = uuid4(), uuid4()
    bank_takes(ledger, early, 100_00)
    holder_changes(ledger)
    for payment_id in (early, late):
        bank_takes(ledger, payment_id, 100_00)
    posted = {one.payment_id: one.account for one in events(ledger, PaymentPosted)}
    assert posted == {early: FIRST, late: SECOND}
    assert len(events(ledger, PaymentPosted)) == 2


def test_payment_of_the_cabinet_goes_to_the_account_it_was_ordered_for(ledger: Ledger) -> None:
    holder_changes(ledger)
    lines = [
        {"account": FIRST, "amount": 10_00, "penalty": 0},
        {"account": FIRST, "tenure": 2, "amount": 20_00, "penalty": 0},
    ]
    captured = {"payment_id": str(uuid4()), "paid_on": "2026-11-18", "lines": lines}
    hears(ledger, "payments", "payment_captured", **captured)
    posted = {one.account: one.amount for one in events(ledger, PaymentPosted)}
    assert posted == {FIRST: 10_00, SECOND: 20_00}


def test_staff_name_the_holder_of_now_by_the_number_and_others_by_their_tenure(
    ledger: Ledger,
) -> None:
    def named(name: str) -> str:
        return str(ledger.store.query(lambda session: named_key(session, name)))

    assert named(FIRST) == FIRST
    holder_changes(ledger)
    assert [named(name) for name in (FIRST, f"{FIRST}-1", SECOND)] == [SECOND, FIRST, SECOND]


def test_another_kind_of_payer_is_that_of_the_tenure_that_is_amended(ledger: Ledger) -> None:
    holder_changes(ledger)
    hears(
        ledger,
        "accounts",
        "contract_amended",
        number=FIRST,
        tenure=2,
        payer_kind="managing_company",
        changed=["payer_kind"],
        effective_on="2026-11-01",
    )
    assert account(ledger, FIRST).payer_kind == "household"
    assert account(ledger, SECOND).payer_kind == "managing_company"


def test_subscribers_see_the_number_and_which_tenure_after_the_first(ledger: Ledger) -> None:
    holder_changes(ledger)
    schemas = {contract.type: contract for contract in CONTRACTS}
    seen = list[tuple[str, Any]]()
    for recorded in ledger.store.log:
        publication = publish(recorded)
        if publication is not None:
            schemas[publication.type].check(publication.data)
            if publication.data["account"] == FIRST:
                seen.append((publication.type, publication.data.get("tenure")))
    assert ("account_closed", None) in seen
    assert ("account_opened", 2) in seen
    assert ("charges_posted", 2) in seen


def tenures(*days: tuple[str | None, str | None]) -> Sequence[Tenure]:
    return [
        Tenure(
            number=FIRST,
            tenure=place,
            since=date.fromisoformat(since) if since else None,
            until=date.fromisoformat(until) if until else None,
        )
        for place, (since, until) in enumerate(days, start=1)
    ]


@pytest.mark.parametrize(
    ("days", "period", "key"),
    [
        ((), "2026-10", FIRST),
        (((None, "2026-10-09"), ("2026-10-10", None)), "2026-09", FIRST),
        (((None, "2026-10-09"), ("2026-10-10", None)), "2026-10", SECOND),
        (((None, "2026-10-30"), ("2026-10-31", None)), "2026-10", SECOND),
        (((None, "2026-10-31"), ("2026-11-01", None)), "2026-10", FIRST),
        (((None, "2026-10-09"),), "2026-10", FIRST),
        (((None, "2026-10-09"), ("2026-12-01", None)), "2026-10", FIRST),
        (((None, "2026-02-27"), ("2026-02-28", "2026-03-15")), "2026-02", SECOND),
        (((None, "2026-02-27"), ("2026-02-28", "2026-03-15")), "2026-03", SECOND),
    ],
)
def test_month_is_of_the_holder_of_its_last_day_and_the_last_one_is_a_final_bill(
    days: Any, period: str, key: str
) -> None:
    assert key_of_month(FIRST, period, tenures(*days)) == key


@pytest.mark.parametrize(
    ("days", "period"),
    [
        (((None, "2026-10-31"),), "2026-11"),
        (((None, "2026-10-09"), ("2026-12-01", None)), "2026-11"),
    ],
)
def test_month_without_a_holder_is_refused(days: Any, period: str) -> None:
    with pytest.raises(Conflict) as refused:
        key_of_month(FIRST, period, tenures(*days))
    assert refused.value.code == "account_closed"


def test_last_holder_is_the_one_of_now_open_or_closed() -> None:
    assert current_key(FIRST, ()) == FIRST
    assert current_key(FIRST, tenures((None, "2026-10-09"))) == FIRST
    assert current_key(FIRST, tenures((None, "2026-10-09"), ("2026-10-10", None))) == SECOND


def test_closing_on_another_day_replaces_the_first_one(ledger: Ledger) -> None:
    for until in ("2026-11-01", "2026-11-05", "2026-11-05"):
        hears(ledger, "accounts", "tenure_closed", number=FIRST, tenure=1, until=until)
    assert [one.effective_on.day for one in events(ledger, AccountClosed)] == [1, 5]
    [row] = ledger.read_model.rows.values()
    assert (row["tenure"], row["until"]) == (1, date(2026, 11, 5))


def test_closing_what_is_not_open_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ServiceError) as refused:
        hears(ledger, "accounts", "tenure_closed", number="77", tenure=1, until="2026-11-01")
    assert refused.value.code == "account_not_found"

"""What moves to the next holder of a number, and what a file or a question finds of it later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import uuid4

import pytest
from corrected_ledger import FIRST, Ledger
from test_tenures import SECOND, account, bank_takes, bill, events, hears, holder_changes

from services.ledger.domain.events import ChargesAdjusted, ServiceAmount
from services.ledger.importing.adjustments import Adjustment, Adjustments
from services.ledger.loading import load_account
from services.ledger.papers.certificate import debt_on
from services.ledger.penalties.account_penalty import penalty
from services.ledger.penalties.law import law_in_force
from services.ledger.reports.balances import balance
from services.ledger.reports.bills import bill as report_of_bill
from services.ledger.reports.history import statement_between
from services.ledger.reports.statements import charges
from services.ledger.service import LedgerService
from shared import context
from shared.errors import Conflict
from shared.eventstore import Session


def imports(ledger: Ledger, entry: Adjustment) -> None:
    """Post an adjustment of a file to the account whose month it is."""
    importing = Adjustments(lambda: ledger.clock.now().date(), None)

    def post(session: Session, entry: Adjustment) -> None:
        tenures = session.read.tenures([entry.account]).get(entry.account, ())
        importing.post(load_account(session, importing.holders_key(entry, tenures)), entry)

    ledger.does(post, entry)


def adjustment_of_file(period: str = "2026-10") -> Adjustment:
    lines = (ServiceAmount("heating", -500_00),)
    return Adjustment(
        row=2,
        last=2,
        start=0,
        end=1,
        rows=1,
        amount=-500_00,
        account=FIRST,
        adjustment_id=uuid4(),
        period=period,
        lines=lines,
        reason="act 7",
        effective_on=date(2026, 11, 1),
    )


@pytest.mark.parametrize("holders", [(10,), (10, 20)])
def test_adjustment_that_moved_with_its_month_is_not_posted_again_by_the_same_file(
    holders: Sequence[int],
) -> None:
    ledger, entry = Ledger(), adjustment_of_file()
    imports(ledger, entry)
    for tenure, day in enumerate(holders, start=2):
        holder_changes(ledger, date(2026, 10, day), tenure)
    key = f"{FIRST}-{len(holders) + 1}"
    with pytest.raises(Conflict) as refused:
        imports(ledger, entry)
    assert refused.value.code == "posted_already"
    assert account(ledger, key).principal == 5_500_00
    [copied] = [one for one in events(ledger, ChargesAdjusted) if one.account == key]
    assert copied.adjustment_id == entry.adjustment_id


@pytest.fixture
def corrected() -> tuple[Ledger, str]:
    """A ledger of bills of September and October, and an instant before October was moved."""
    ledger = Ledger()
    ledger.read_model.service_names = lambda numbers: {}  # type: ignore[attr-defined]
    bill(ledger, "2026-09", date(2026, 10, 31), date(2026, 11, 5), 1_000_00)
    bill(ledger, "2026-11", date(2026, 11, 19), date(2026, 12, 15), 500_00, -70_00)
    bank_takes(ledger, uuid4(), 900_00)
    before = ledger.clock.now().isoformat()
    ledger.clock.advance(timedelta(hours=1))
    ledger.read_model.closed = date(2026, 10, 31)
    holder_changes(ledger)
    return ledger, before


def test_former_holders_balance_of_a_past_day_is_that_of_his_statement(
    corrected: tuple[Ledger, str],
) -> None:
    ledger, before = corrected
    asked = ledger.store.query

    def owed(as_of: str, *, whole: bool) -> int:
        found = asked(lambda session: balance(session, FIRST, as_of, whole=whole))
        assert sum(one["amount"] for one in found["services"]) == found["principal"]
        return int(found["principal"] - found["advance"])

    assert owed("2026-10-31", whole=True) == 7_000_00
    for day in (date(2026, 10, 31), date(2026, 11, 17), date(2026, 11, 18), date(2026, 11, 19)):
        shown = asked(
            lambda session, day=day: statement_between(session, FIRST, date(2026, 1, 1), day, 0, 99)
        )["movements"]
        paid = 900_00 if day >= date(2026, 11, 18) else 0
        assert owed(day.isoformat(), whole=False) == shown[-1]["balance"] == 1_000_00 - paid
        assert asked(lambda session, day=day: debt_on(session, FIRST, day))["owed"] == (
            1_000_00 - paid
        )
    assert owed(before, whole=True) == 7_000_00 + 430_00 - 900_00
    assert owed(before, whole=False) == 100_00
    assert owed(ledger.clock.now().isoformat(), whole=False) == 100_00
    assert account(ledger, FIRST).principal == 100_00


def test_former_holders_bill_and_penalty_have_nothing_of_a_month_that_moved(
    corrected: tuple[Ledger, str],
) -> None:
    ledger, _ = corrected
    asked = ledger.store.query
    of_september = asked(lambda session: report_of_bill(session, FIRST, "2026-09"))
    assert of_september["totals"]["charged"] == 1_000_00
    assert of_september["totals"]["closing"] == 1_000_00
    explained = asked(lambda session: penalty(session, FIRST, date(2026, 11, 18), law_in_force()))
    assert explained["principal"] == 100_00
    assert {debt["period"] for debt in explained["debts"]} <= {"2026-09"}


@pytest.mark.parametrize(
    ("actor", "name", "owed"),
    [("person:1", FIRST, 1_000_00), ("staff:ivanova", f"{FIRST}-1", 7_000_00)],
)
def test_staff_see_what_stood_on_the_former_account_and_persons_do_not(
    corrected: tuple[Ledger, str], actor: str, name: str, owed: int
) -> None:
    service = LedgerService()
    service.store = corrected[0].store  # type: ignore[assignment]
    with context.bind(actor=actor):
        assert service.balance(number=name, as_of="2026-10-31")["principal"] == owed


def closes(ledger: Ledger, until: str, tenure: int = 1) -> None:
    hears(ledger, "accounts", "tenure_closed", number=FIRST, tenure=tenure, until=until)


def opens(ledger: Ledger, since: str, tenure: int = 2) -> None:
    hears(
        ledger,
        "accounts",
        "tenure_opened",
        number=FIRST,
        tenure=tenure,
        since=since,
        payer_kind="household",
    )


def months_of(ledger: Ledger, key: str) -> list[str]:
    found = ledger.store.query(lambda session: charges(session, key, None, 24))
    return sorted(month["period"] for month in found["months"])


def test_account_closed_with_a_past_day_keeps_no_bill_of_a_later_month() -> None:
    ledger = Ledger()
    bill(ledger, "2026-11", date(2026, 11, 19), date(2026, 12, 15), 500_00, -70_00)
    bank_takes(ledger, uuid4(), 6_430_00)
    for _ in range(2):
        closes(ledger, "2026-10-15")
        former = account(ledger, FIRST)
        assert (former.principal, former.penalty, former.advance) == (0, 0, 430_00)
        assert months_of(ledger, FIRST) == ["2026-10"]
        [taken_back] = events(ledger, ChargesAdjusted)
        assert taken_back.reason == "лицевой счёт закрыт с 16.10.2026, начисления сняты"


def test_account_that_was_closed_later_after_all_is_charged_again_and_closed_anew() -> None:
    ledger = Ledger()
    for until, owed in (
        ("2026-09-30", 0),
        ("2026-10-31", 6_000_00),
        ("2026-10-31", 6_000_00),
        ("2026-09-15", 0),
        ("2026-10-01", 6_000_00),
    ):
        closes(ledger, until)
        assert account(ledger, FIRST).principal == owed
        assert months_of(ledger, FIRST) == (["2026-10"] if owed else [])


def test_month_that_a_closing_took_back_goes_to_the_next_holders() -> None:
    ledger, entry = Ledger(), adjustment_of_file()
    imports(ledger, entry)
    closes(ledger, "2026-09-20")
    assert account(ledger, FIRST).principal == 0
    third = f"{FIRST}-3"
    for tenure, since, until in ((2, "2026-09-21", "2026-09-24"), (3, "2026-09-25", "")):
        for _ in range(2):
            opens(ledger, since, tenure)
            owed = [account(ledger, f"{FIRST}-{one}").principal for one in range(2, tenure + 1)]
            assert owed == [*[0] * (tenure - 2), 5_500_00]
        if until:
            closes(ledger, until, tenure)
            assert account(ledger, SECOND).principal == 0
    closes(ledger, "2026-09-20")
    former = account(ledger, FIRST)
    assert (former.principal, former.advance) == (0, 0)
    assert [months_of(ledger, key) for key in (FIRST, SECOND, third)] == [[], [], ["2026-10"]]


def test_month_between_two_holders_is_nobodys() -> None:
    ledger = Ledger()
    bill(ledger, "2026-11", date(2026, 11, 19), date(2026, 12, 15), 500_00)
    closes(ledger, "2026-09-30")
    opens(ledger, "2026-11-05")
    assert account(ledger, FIRST).principal == 0
    assert account(ledger, SECOND).principal == 500_00
    assert (months_of(ledger, FIRST), months_of(ledger, SECOND)) == ([], ["2026-11"])

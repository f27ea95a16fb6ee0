"""The demo company's bills: reproducible, exact, and what the ledger itself takes."""

from __future__ import annotations

import io
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import pytest

from deploy.demo.charges import PERIODS, all_bills, due_on, last_day, write_bills
from deploy.demo.company import CHARGES_FILE, DEMO_PERSON_ACCOUNTS, demo_accounts
from deploy.demo.penalties import penalty_of_month
from services.ledger.domain import Account, account_id
from services.ledger.importing.charges import Bill, Charges
from services.ledger.importing.groups import Entries
from services.ledger.importing.kinds import open_source
from services.ledger.penalties.calendar import due_on as ledger_due_on
from services.ledger.penalties.rules import load_rules

FIRST = "0100000001"


@pytest.fixture(scope="module")
def bills() -> list[Bill]:
    source = open_source(CHARGES_FILE)
    found = list(Entries(source, Charges(date.today).read).after(source.start, source.row))
    read = [one for one in found if isinstance(one, Bill)]
    assert read == found, "no row is refused"
    return read


def test_charges_file_is_up_to_date() -> None:
    made = io.StringIO()
    write_bills(all_bills(demo_accounts()), made)
    assert CHARGES_FILE.read_text(encoding="utf-8") == made.getvalue()


def test_every_line_is_tariff_times_volume(bills: list[Bill]) -> None:
    for bill in bills:
        for line in bill.lines:
            exact = Decimal(line.tariff) * Decimal(line.volume) * 100
            assert line.charged == exact.quantize(Decimal(1), ROUND_HALF_UP), (bill, line)


def test_last_bill_has_the_total_that_proves_ownership(bills: list[Bill]) -> None:
    last = {bill.account: bill.amount for bill in bills if bill.period == PERIODS[-1]}
    assert last == {account.number: account.bill_total for account in demo_accounts()}
    assert last[FIRST] == 4500_00


def test_demo_bills_cover_the_cases_of_real_bills(bills: list[Bill]) -> None:
    first = [bill for bill in bills if bill.account == FIRST]
    assert [bill.period for bill in first] == list(PERIODS)
    assert any(bill.penalty for bill in first)
    lines = [line for bill in bills for line in bill.lines]
    assert any(line.recalculation < 0 for line in lines)
    assert any(line.concession > 0 for line in lines)
    assert {line.service for line in lines} == {
        "heating", "hot_water", "cold_water", "sewerage", "maintenance", "waste", "capital_repair",
    }  # fmt: skip
    assert all(line.payable > 0 for line in lines)


def test_last_month_can_be_compared_with_the_same_month_a_year_ago() -> None:
    year, month = PERIODS[-1].split("-")
    assert f"{int(year) - 1}-{month}" in PERIODS
    assert list(PERIODS) == sorted(set(PERIODS))


def test_demo_person_has_a_year_of_bills_on_each_account(bills: list[Bill]) -> None:
    for number in DEMO_PERSON_ACCOUNTS:
        assert [bill.period for bill in bills if bill.account == number] == list(PERIODS)
    lines = [line for bill in bills if bill.account in DEMO_PERSON_ACCOUNTS for line in bill.lines]
    recalculated = [line for line in lines if line.recalculation]
    assert recalculated
    assert all(line.explanation for line in recalculated), "each recalculation has a reason"


def test_ledger_accepts_every_demo_bill(bills: list[Bill]) -> None:
    accounts = {one.number: Account(account_id(one.number)) for one in demo_accounts()}
    for number, account in accounts.items():
        account.open(number, "household", date(2025, 10, 1))
    for bill in bills:
        account = accounts[bill.account]
        account.post_charges(bill.period, bill.effective_on, bill.due_on, bill.lines)
    assert sum(account.principal for account in accounts.values()) == sum(b.amount for b in bills)


def test_bill_is_due_on_the_fifteenth_or_the_next_working_day() -> None:
    assert due_on("2026-03") == date(2026, 4, 15)
    assert due_on("2026-05") == date(2026, 6, 15)
    assert due_on("2026-07") == date(2026, 8, 17)  # the 15th is a Saturday
    assert due_on("2026-10") == date(2026, 11, 16)  # the 15th is a Sunday
    assert last_day("2028-02") == date(2028, 2, 29)


def test_bill_of_before_march_2026_is_due_on_the_tenth() -> None:
    assert due_on("2025-10") == date(2025, 11, 10)
    assert due_on("2025-12") == date(2026, 1, 12)  # the 10th is a Saturday
    assert due_on("2026-02") == date(2026, 3, 10)


def test_due_dates_are_those_by_which_the_ledger_accrues(bills: list[Bill]) -> None:
    rules = load_rules()
    assert {bill.period: bill.due_on for bill in bills} == {
        period: ledger_due_on(period, rules) for period in PERIODS
    }


@pytest.mark.parametrize(
    ("payer_kind", "month", "penalty"),
    [
        # 4 500,00 due on 2026-04-15: nothing in the 30 days of deferment, then 1,425 a day.
        ("household", "2026-04", 0),
        ("household", "2026-05", round(16 * 142.5)),
        ("household", "2026-06", round(30 * 142.5)),
        # 14 days at 1/300, and from day 91 (15.07) on 17 days at 1/130.
        ("household", "2026-07", 14 * 142.5 + 5590),
        ("capital_repair", "2026-07", round(31 * 142.5 + 0.01)),
        ("organisation", "2026-04", 4933),
    ],
)
def test_demo_penalties_follow_the_law(payer_kind: str, month: str, penalty: float) -> None:
    debt = [(4500_00, date(2026, 4, 15))]
    assert penalty_of_month(payer_kind, debt, last_day(month)) == penalty

"""An account's row says for how long something was late: who owes a penalty is not overlooked."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.penalties.accrual import accrue
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules

LAW = PenaltyLaw(load_rules(environ={}))
SPARED = LAW.rules.spared_days()


def day(text: str) -> date:
    return date.fromisoformat(f"2026-{text}")


def opened(payer_kind: str) -> Account:
    account = Account(account_id("1"))
    account.law = LAW
    account.open("1", payer_kind, day("01-01"))
    return account


def bill(account: Account, period: str, on: str, due: str, amount: int) -> None:
    line = ChargeLine("heating", "heating", amount, amount)
    account.post_charges(f"2026-{period}", day(on), day(due), [line])


def is_looked_at(account: Account) -> bool:
    """Return whether an accrual run looks at an account that owes nothing by its row."""
    row = account.snapshot()
    assert (row["principal"], row["penalty"]) == (0, 0)
    return bool(row["late_days"] > SPARED[row["payer_kind"]])


@pytest.mark.parametrize("changed_on", ["04-01", "05-01"])
def test_a_debt_of_an_organisation_is_late_at_once_also_when_a_household_pays_it(
    changed_on: str,
) -> None:
    account = opened("organisation")
    bill(account, "03", "03-31", "04-15", 4_296_04)
    account.change_payer_kind("household", day(changed_on))
    account.post_payment(UUID(int=1), day("04-25"), 4_296_04, 0)
    assert is_looked_at(account)
    assert accrue(account, day("06-01"), LAW) == 31_39


def test_it_still_is_after_another_of_its_debts_was_accrued() -> None:
    account = opened("organisation")
    bill(account, "02", "02-28", "03-16", 1_000_00)
    bill(account, "03", "03-31", "04-15", 4_296_04)
    account.change_payer_kind("household", day("04-01"))
    account.post_payment(UUID(int=1), day("04-02"), 1_000_00, 0)
    accrued = accrue(account, day("04-10"), LAW)
    account.post_payment(UUID(int=2), day("04-10"), 0, accrued)
    account.post_payment(UUID(int=3), day("04-25"), 4_296_04, 0)
    assert is_looked_at(account)


def test_money_back_on_a_later_bill_pays_an_older_one_late() -> None:
    account = opened("household")
    bill(account, "03", "03-31", "04-15", 4_500_00)
    bill(account, "06", "06-30", "07-15", -4_500_00)
    assert is_looked_at(account)
    assert accrue(account, day("07-01"), LAW) == 65_55


def test_a_bill_that_an_advance_pays_is_in_time() -> None:
    account = opened("household")
    account.post_payment(UUID(int=1), day("07-01"), 4_500_00, 0)
    bill(account, "03", "07-02", "04-15", 4_500_00)
    assert account.late_days == 0
    assert accrue(account, day("12-01"), LAW) == 0


def test_a_change_of_payer_that_is_known_late_leaves_the_later_one() -> None:
    account = opened("household")
    account.change_payer_kind("organisation", day("05-01"))
    account.change_payer_kind("managing_company", day("04-01"))
    assert account.payer_kind == "organisation"


def test_an_account_is_of_its_kind_also_before_the_day_on_which_it_was_opened_here() -> None:
    account = Account(account_id("1"))
    account.law = LAW
    account.open("1", "organisation", day("06-01"))
    account.post_opening(day("03-31"), [ServiceAmount("heating", 4_500_00)])
    account.today = day("06-01")
    # 15 days of 1/130, and not the deferment of a household.
    assert account.penalty_due(day("04-15")) == 49_33


def test_a_rate_that_falls_after_the_last_entry_gives_back_where_an_opening_comes_late() -> None:
    account = Account(account_id("1"))
    account.law, account.today = LAW, date(2022, 9, 1)
    account.open("1", "household", date(2021, 12, 1))
    bill_of_december = [ChargeLine("heating", "heating", 19_662, 19_662)]
    account.post_charges("2021-12", date(2021, 12, 31), date(2022, 1, 1), bill_of_december)
    account.write_off_penalty(account.penalty_due(date(2022, 6, 29)), date(2022, 6, 29), "an act")
    accrue(account, date(2022, 7, 29), LAW)
    account.post_opening(date(2022, 8, 28), [ServiceAmount("heating", -10_000)])
    settled = account.settlement(date(2022, 7, 29))
    assert account.open_items == settled.open
    assert account.penalty_waived == settled.waived


def test_a_run_through_a_day_before_a_bill_was_lowered_takes_no_advance() -> None:
    account = opened("organisation")
    bill(account, "03", "03-31", "04-15", 4_500_00)
    lowered = [ServiceAmount("heating", -5_000_00)]
    account.adjust_charges(UUID(int=1), "2026-03", day("06-03"), lowered, "an act")
    account.today = day("06-05")
    assert accrue(account, day("05-31"), LAW) == 0
    assert (account.principal, account.penalty, account.advance) == (0, 0, 500_00)
    assert accrue(account, day("05-31"), LAW) == 0
    assert len(account.accruals) == 2

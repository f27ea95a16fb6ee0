"""What the operator chooses where the law leaves a choice, and what staff read of it."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

import pytest
from ledger_steps import an_account
from penalty_rule_files import WriteRules

from services.ledger import policy as operator_policy
from services.ledger.correction_effects import adjustment_due
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.penalties.calendar import recalculation_due
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import PenaltyRules, RecalculationDue, load_rules
from services.ledger.policy import policy
from shared.config import ConfigurationError

MARCH_DUE = date(2026, 4, 15)


@pytest.mark.parametrize(
    ("effective_on", "due"),
    [
        (date(2026, 4, 1), date(2026, 5, 15)),
        (date(2026, 9, 20), date(2026, 10, 15)),
        (date(2026, 3, 31), MARCH_DUE),
        (date(1999, 12, 31), MARCH_DUE),
    ],
)
def test_a_recalculation_falls_due_with_the_bill_of_the_month_in_which_it_takes_effect(
    rules: PenaltyRules, effective_on: date, due: date
) -> None:
    assert rules.recalculation_due is RecalculationDue.MONTH_POSTED
    assert recalculation_due(effective_on, MARCH_DUE, rules) == due


def test_a_recalculation_is_never_due_before_its_bill(rules: PenaltyRules) -> None:
    late = date(2026, 12, 31)
    assert recalculation_due(date(2026, 4, 1), late, rules) == late


def test_an_operator_may_let_it_fall_due_with_its_own_bill(write_rules: WriteRules) -> None:
    chosen = load_rules(write_rules(recalculation_due="own_bill"))
    assert recalculation_due(date(2026, 9, 20), MARCH_DUE, chosen) == MARCH_DUE


def test_a_choice_that_there_is_not_is_refused(write_rules: WriteRules) -> None:
    with pytest.raises(ConfigurationError, match="recalculation_due"):
        load_rules(write_rules(recalculation_due="never"))


def test_a_file_of_before_there_was_a_choice_has_the_default(write_rules: WriteRules) -> None:
    path = write_rules()
    text = path.read_text("utf-8").replace("recalculation_due: month_posted\n", "")
    assert "recalculation_due" not in text
    path.write_text(text, "utf-8")
    assert load_rules(path).recalculation_due is RecalculationDue.MONTH_POSTED


def test_a_correction_gets_the_due_day_that_the_operator_chose(
    write_rules: WriteRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = an_account()
    line = ChargeLine("heating", "Отопление", 100_00, 100_00)
    account.post_charges("2026-03", date(2026, 3, 31), MARCH_DUE, [line])
    posted = date(2026, 9, 20)
    assert adjustment_due(account, "2026-03", posted) == date(2026, 10, 15)
    assert adjustment_due(account, "2026-04", posted) is None
    own = PenaltyLaw(load_rules(write_rules(recalculation_due="own_bill")))
    monkeypatch.setattr("services.ledger.correction_effects.law_in_force", lambda: own)
    assert adjustment_due(account, "2026-03", posted) == MARCH_DUE


def test_what_a_recalculation_adds_bears_a_penalty_from_its_own_due_day(
    rules: PenaltyRules,
) -> None:
    added = ServiceAmount("heating", 100_000_00)
    owed = []
    for due in (None, date(2026, 5, 15)):
        account = an_account()
        account.law, account.today = PenaltyLaw(rules), date(2026, 6, 20)
        line = ChargeLine("heating", "Отопление", 1, 1)
        account.post_charges("2026-03", date(2026, 3, 31), MARCH_DUE, [line])
        account.post_payment(uuid4(), date(2026, 4, 1), 1, 0)
        account.adjust_charges(uuid4(), "2026-03", date(2026, 4, 2), [added], "a meter", due_on=due)
        owed.append(account.penalty_due(date(2026, 6, 20)))
    # Days 31 to 66 after 04-15, and 31 to 36 after 05-15; 1/300 of 9.5 % a day.
    assert owed == [1_140_00, 190_00]


def test_staff_read_what_was_chosen(
    write_rules: WriteRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = PenaltyLaw(load_rules(write_rules(recalculation_due="own_bill")))
    monkeypatch.setattr(operator_policy, "law_in_force", lambda: own)
    choices = {one["name"]: one for one in policy("monthly:5")["choices"]}
    assert choices["recalculation_due"]["value"] == "own_bill"
    assert choices["recalculation_due"]["meaning"].endswith("with the bill that it corrects")
    assert choices["accruals"]["value"] == "monthly:5"
    assert choices["penalty_rules"]["value"] == own.version
    assert all(one["set_by"] and one["meaning"] for one in choices.values())

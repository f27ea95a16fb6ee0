"""The report of a journey, and the checks of responses."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from deploy.demo.checks import (
    check_month,
    check_receipt,
    expect_refusal,
    other_code,
    retry_until_consistent,
)
from deploy.demo.client import PaymentLine, Problem
from deploy.demo.letters import Letter
from deploy.demo.report import CheckError, JourneyError, Report, check


def test_step_reports_its_outcome_and_time() -> None:
    screen = io.StringIO()
    report = Report(Console(file=screen, width=120))
    with report.step("Sign in [again]") as step:
        step.outcome = "welcome"
    printed = screen.getvalue()
    assert "✓" in printed
    assert "Sign in [again]" in printed
    assert "welcome" in printed
    assert " s " in printed


def test_failed_step_says_why_and_ends_the_journey() -> None:
    screen = io.StringIO()
    report = Report(Console(file=screen, width=120))
    with pytest.raises(JourneyError), report.step("Pay"):
        check(False, "a page to come back to")
    assert "✗ Pay: a page to come back to" in screen.getvalue()


def test_expected_refusal_needs_the_right_code() -> None:
    def refuse() -> None:
        raise Problem(422, "wrong_code", "Код не подходит.")

    assert expect_refusal("wrong_code", refuse) == "«Код не подходит.»"
    with pytest.raises(CheckError, match="not wrong_code"):
        expect_refusal("rules_not_accepted", refuse)
    with pytest.raises(CheckError, match="accepted"):
        expect_refusal("wrong_code", lambda: None)


def test_inconsistent_reads_are_retried() -> None:
    looks = iter([False, False, True])
    retry_until_consistent(lambda: check(next(looks), "a balance"))
    with pytest.raises(CheckError, match="a balance"):
        retry_until_consistent(lambda: check(False, "a balance"))


@pytest.mark.parametrize(("code", "other"), [("000000", "000001"), ("999999", "000000")])
def test_wrong_code_has_the_same_length(code: str, other: str) -> None:
    assert other_code(code) == other


def month(**changes: Any) -> dict[str, Any]:
    line = {
        "service": "heating", "tariff": "2659.7125", "volume": "0.5", "charged": 132986,
        "recalculation": -100, "concession": 86, "payable": 132800,
    }  # fmt: skip
    return {"period": "2026-10", "total": 132800, "lines": [{**line, **changes}]}


def test_month_that_does_not_add_up_is_an_error() -> None:
    check_month(month())
    for wrong in ({"charged": 132985}, {"payable": 132801}, {"volume": "0.6"}):
        with pytest.raises(CheckError):
            check_month(month(**wrong))
    with pytest.raises(CheckError, match="sum of its lines"):
        check_month({**month(), "total": 1})


def test_receipt_names_the_payment_and_its_amounts() -> None:
    line = PaymentLine("0100000001", 4500_00, 14_25)
    text = (
        "Номер платежа: p-1\n"
        "Лицевой счёт 0100000001: 4\u00a0514,25\u00a0₽, в том числе пени 14,25\u00a0₽"
    )
    check_receipt(Letter("Квитанция об оплате на 4\u00a0514,25\u00a0₽", text), "p-1", line)
    with pytest.raises(CheckError, match="p-2"):
        check_receipt(Letter("4\u00a0514,25", text), "p-2", line)
    with pytest.raises(CheckError, match="subject"):
        check_receipt(Letter("4\u00a0514,26", text), "p-1", line)

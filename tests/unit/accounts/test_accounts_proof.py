"""Proofs: what is typed in any spelling equals what the bill has, and nothing can be guessed."""

from __future__ import annotations

import pytest

from services.accounts.proof import ProofDigests, ProofSeal, proven_fact

NUMBER = "0100000001"
SEAL = ProofSeal(b"k" * 32)
KEPT = SEAL.of_bill(NUMBER, control_code="7K4M-Q2XD", total=450000, period="2026-10")
BOTH = ("control_code", "total_and_period")


@pytest.mark.parametrize(
    "typed",
    [
        "7K4M-Q2XD", "7k4m q2xd", " 7K4MQ2XD ", "7К4М-Q2ХD", "７Ｋ４Ｍ－Ｑ２ＸＤ",
        "7K4M\u2011Q2XD", "7K4M\u00a0Q2XD",
    ],
)  # fmt: skip
def test_a_control_code_is_read_in_any_spelling(typed: str) -> None:
    assert proven_fact(KEPT, SEAL.of_answer(NUMBER, typed), BOTH) == "control_code"


@pytest.mark.parametrize(
    "typed",
    [
        "4500,00 10.2026", "4 500,00 10.2026", "10.2026 4500,00", "4500 2026-10",
        "октябрь 2026 г. 4500,00", "4500 за октябрь 2026", "4500,00 руб. 10/2026",
    ],
)  # fmt: skip
def test_total_and_month_are_read_in_either_order(typed: str) -> None:
    assert proven_fact(KEPT, SEAL.of_answer(NUMBER, typed), BOTH) == "total_and_period"


@pytest.mark.parametrize(
    "typed",
    ["", "4500,00", "10.2026", "4500,01 10.2026", "4500,00 09.2026", "4500 13.2026",
     "7K4M-Q2XE", "7K4M", "2026-10/1001", "4500,00 мартобрь 2026"],
)  # fmt: skip
def test_half_a_fact_and_a_wrong_one_prove_nothing(typed: str) -> None:
    assert proven_fact(KEPT, SEAL.of_answer(NUMBER, typed), BOTH) is None


@pytest.mark.parametrize(
    ("month", "period"), [("марта", "2026-03"), ("май", "2026-05"), ("мая", "2026-05")]
)
def test_march_and_may_are_told_apart(month: str, period: str) -> None:
    kept = SEAL.of_bill(NUMBER, total=100, period=period)
    assert proven_fact(kept, SEAL.of_answer(NUMBER, f"1,00 {month} 2026"), BOTH)


def test_a_fact_that_the_policy_does_not_accept_proves_nothing() -> None:
    right_total = SEAL.of_answer(NUMBER, "4500,00 10.2026")
    assert proven_fact(KEPT, right_total, ("control_code",)) is None
    right_code = SEAL.of_answer(NUMBER, "7K4M-Q2XD")
    assert proven_fact(KEPT, right_code, ("total_and_period",)) is None


def test_a_bill_without_a_sum_to_pay_is_not_proven_by_its_zero() -> None:
    kept = SEAL.of_bill(NUMBER, total=0, period="2026-10")
    assert kept == ProofDigests()
    assert proven_fact(kept, SEAL.of_answer(NUMBER, "0,00 10.2026"), BOTH) is None


def test_equal_facts_of_two_accounts_have_different_digests() -> None:
    other = SEAL.of_bill("0100000002", control_code="7K4M-Q2XD", total=450000, period="2026-10")
    assert other.control_code != KEPT.control_code
    assert other.total_and_period != KEPT.total_and_period


@pytest.mark.parametrize("code", ["1234567", "x" * 33, "№№№№№№№№", "код-кодовый"])
def test_a_short_or_strange_code_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="letters and digits"):
        SEAL.of_bill(NUMBER, control_code=code)

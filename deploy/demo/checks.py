"""Checks of the API's responses, for the journey and for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeVar

from deploy.demo.client import PaymentLine, Problem
from deploy.demo.letters import Letter
from deploy.demo.report import CheckError, check
from shared.money import Kopecks, format_roubles

T = TypeVar("T")


def expect_refusal(code: str, attempt: Callable[[], Any]) -> str:
    """Return the message of a refusal with `code`; raise CheckError for anything else."""
    try:
        attempt()
    except Problem as problem:
        check(problem.code == code, f"a refusal with {code}, not {problem.code}")
        return f"«{problem.detail}»"
    raise CheckError(f"a refusal with {code}; it was accepted")


def retry_until_consistent(look: Callable[[], T], times: int = 5) -> T:
    """Repeat reads that must be consistent, a few times at most.

    Somebody else may pay the same account between two reads.
    """
    for _ in range(times - 1):
        try:
            return look()
        except CheckError:
            continue
    return look()


def other_code(code: str) -> str:
    """Return a wrong code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


def check_month(month: Mapping[str, Any]) -> None:
    """Check that a bill adds up: tariff x volume on each line, the lines, the total."""
    for line in month["lines"]:
        exact = Decimal(line["tariff"]) * Decimal(line["volume"]) * 100
        charged = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
        check(line["charged"] == charged, f"{line['service']}: tariff x volume, to the kopeck")
        payable = line["charged"] + line["recalculation"] - line["concession"]
        check(line["payable"] == payable, f"{line['service']}: a line that adds up")
    total = sum(line["payable"] for line in month["lines"])
    check(month["total"] == total, f"{month['period']}: a total that is the sum of its lines")


def check_receipt(letter: Letter, payment_id: str, line: PaymentLine) -> None:
    """Check that the letter names the payment, the account and its sums."""
    check(format_roubles(line.total) in letter.subject, "the total in the subject")
    facts = [payment_id, f"{line.account}: {format_roubles(line.total)}"]
    if line.penalty:
        facts.append(f"пени {format_roubles(line.penalty)}")
    for fact in facts:
        check(fact in letter.text, f"«{fact}» in the receipt")


def net_balance(balance: Mapping[str, Any]) -> Kopecks:
    """Return what the book has as owed: debts and accrued penalty, less the advance."""
    return int(balance["principal"] + balance["penalty_accrued"] - balance["advance"])

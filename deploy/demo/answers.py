"""What the answers of the API must look like, however they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeVar

from deploy.demo.client import PaymentLine, Problem
from deploy.demo.letters import Letter
from deploy.demo.report import CheckFailed, check
from shared.money import Kopecks, format_roubles

T = TypeVar("T")


def is_refused(code: str, attempt: Callable[[], Any]) -> str:
    """Answer what is said to the person when an attempt is refused with a code, as it must be."""
    try:
        attempt()
    except Problem as problem:
        check(problem.code == code, f"a refusal with {code}, not {problem.code}")
        return f"«{problem.detail}»"
    raise CheckFailed(f"a refusal with {code}; it was let through")


def steadily(look: Callable[[], T], times: int = 5) -> T:
    """Look again, some times at most, while what was asked at two moments does not fit together.

    Somebody else may have paid the same account in between.
    """
    for _ in range(times - 1):
        try:
            return look()
        except CheckFailed:
            continue
    return look()


def other_code(code: str) -> str:
    """Answer a code of the same length that is wrong."""
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
    facts = [payment_id, f"{line.account}: {format_roubles(line.amount)}"]
    if line.penalty:
        facts.append(f"пени {format_roubles(line.penalty)}")
    for fact in facts:
        check(fact in letter.text, f"«{fact}» in the receipt")


def standing(balance: Mapping[str, Any]) -> Kopecks:
    """Answer all that is owed, less what is paid in advance (negative: more is)."""
    return int(balance["principal"] + balance["penalty"] - balance["advance"])

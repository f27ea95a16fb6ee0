"""What a cash register would refuse in a receipt; sums are compared in kopecks."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

OPERATIONS: Final = {"sell": 1, "sell_refund": 2}

_TAXATIONS: Final = {"osn", "usn_income", "usn_income_outcome", "esn", "patent"}
_RATES: Final = {
    "none", "vat0", "vat5", "vat7", "vat10", "vat20", "vat22",
    "vat105", "vat107", "vat110", "vat120", "vat122",
}  # fmt: skip
_METHODS: Final = {
    "full_prepayment", "prepayment", "advance", "full_payment", "partial_payment", "credit",
    "credit_payment",
}  # fmt: skip
_LONGEST_NAME: Final = 128
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")


def problem_of(receipt: Any, inn: str) -> str | None:
    """Return what is wrong with a receipt; None for one that can be registered."""
    try:
        return _problem(receipt, inn)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        return f"a field is missing or of the wrong type: {error}"


def _problem(receipt: Any, inn: str) -> str | None:
    company, items = receipt["company"], receipt["items"]
    total = _kopecks(receipt["total"])
    checks = {
        "client.email": _EMAIL.fullmatch(receipt["client"]["email"]),
        "company.email": _EMAIL.fullmatch(company["email"]),
        "company.inn": company["inn"] == inn,
        "company.sno": company["sno"] in _TAXATIONS,
        "company.payment_address": company["payment_address"],
        "items": 1 <= len(items) <= 100,
        "total": total == sum(_kopecks(item["sum"]) for item in items) and total > 0,
        "payments": total == sum(_kopecks(payment["sum"]) for payment in receipt["payments"]),
    }
    wrong = [name for name, is_right in checks.items() if not is_right]
    wrong += [f"items[{place}]" for place, item in enumerate(items) if not _is_item(item)]
    return f"wrong: {', '.join(wrong)}" if wrong else None


def _is_item(item: Any) -> bool:
    price, quantity = _kopecks(item["price"]), Decimal(str(item["quantity"]))
    return (
        0 < len(item["name"]) <= _LONGEST_NAME
        and price * quantity == _kopecks(item["sum"])
        and _kopecks(item["sum"]) > 0
        and item["measure"] == 0
        and item["payment_method"] in _METHODS
        and item["payment_object"] in range(1, 34)
        and item["vat"]["type"] in _RATES
    )


def _kopecks(roubles: Any) -> int:
    """Return a sum; raises ValueError for a fraction of a kopeck."""
    amount = Decimal(str(roubles)) * 100
    if amount != int(amount):
        raise ValueError("a sum has more than two decimals")
    return int(amount)

"""A bill: who gets what of its balance, and the data of its PDF."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from gateway.documents.engine import pdf
from gateway.documents.payees import Payee, Payees
from gateway.documents.payment_code import payment_text, qr_svg
from gateway.translation import translations
from shared import formats
from shared.money import Kopecks

ADVANCE, PENALTY = "advance", "penalty"
"""Rows of the ledger's turnover that are no services."""


def with_payees(bill: Mapping[str, Any], payees: Payees) -> dict[str, Any]:
    """Return a bill of the ledger with what is to pay, and to whom.

    An advance lowers what the main payee gets, then the others, then the penalty: the parts add
    up to the closing balance.
    """
    owed, penalty = _owed(bill, payees)
    paid = []
    for payee in payees.payees:
        late = penalty if payee is payees.main else 0
        if not owed[payee] and not late and payee is not payees.main:
            continue
        details = {name: getattr(payee, name) for name in payee.__struct_fields__}
        paid.append(
            {
                **details,
                "services": list(payee.services),
                "amount": owed[payee],
                "penalty": late,
                "payment_code": payment_text(
                    payee,
                    account=bill["number"],
                    period=bill["period"],
                    due_on=bill["due_on"],
                    amount=owed[payee],
                    penalty=late,
                )
                if owed[payee] or late
                else None,
            }
        )
    return {**bill, "to_pay": max(0, bill["totals"]["closing"]), "payees": paid}


def _owed(bill: Mapping[str, Any], payees: Payees) -> tuple[dict[Payee, Kopecks], Kopecks]:
    """Return what each payee is owed for services, and the penalty, less the advance."""
    owed = dict.fromkeys(payees.payees, 0)
    penalty = credit = 0
    for row in bill["services"]:
        closing = row["closing"]
        if row["service"] == PENALTY:
            penalty = closing
        elif closing < 0:
            credit -= closing
        else:
            owed[payees.of(row["service"])] += closing
    for payee in sorted(owed, key=lambda payee: bool(payee.services)):
        used = min(credit, owed[payee])
        owed[payee] -= used
        credit -= used
    return owed, max(0, penalty - credit)


def bill_pdf(bill: Mapping[str, Any], language: str, control_code: str = "") -> bytes:
    """Return the PDF of a bill as the API answers it; the answer is attached as JSON.

    ``control_code`` is that of the owner; it stands on the paper alone.
    """
    return pdf("bill", bill_data(bill, language, control_code), language)


def bill_data(bill: Mapping[str, Any], language: str, control_code: str = "") -> dict[str, Any]:
    """Return what the template of a bill prints: texts, and the QR of each payee."""
    money = partial(formats.roubles, language=language)
    day = partial(formats.day, language=language)
    month = partial(formats.month, language=language)
    title = translations(language).gettext("Счёт за %(month)s")
    return {
        "title": f"{title % {'month': month(bill['period'])}}, {bill['number']}",
        "date": bill["issued_on"],
        "number": bill["number"],
        "bill_number": bill["bill_number"] or "",
        "control_code": control_code,
        "period": month(bill["period"]),
        "contract": _contract(bill, language),
        "due_on": day(bill["due_on"]),
        "issued_on": day(bill["issued_on"]),
        "first_day": day(bill["first_day"]),
        "last_day": day(bill["last_day"]),
        "to_pay": money(bill["to_pay"]),
        "nothing_due": bill["to_pay"] == 0,
        "overpaid": money(-bill["totals"]["closing"]) if bill["totals"]["closing"] < 0 else "",
        "lines": [_line(line, language) for line in bill["lines"]],
        "lines_total": money(sum(line["payable"] for line in bill["lines"])),
        "adjustments": [
            {
                "name": line["name"],
                "period": month(adjustment["period"]),
                "reason": adjustment["reason"],
                "amount": money(line["amount"], sign=True),
            }
            for adjustment in bill["adjustments"]
            for line in adjustment["lines"]
        ],
        "others": [
            {"period": month(other["period"]), "amount": money(other["amount"])}
            for other in bill["other_bills"]
        ],
        "payments": [
            {
                "day": day(payment["effective_on"]),
                "amount": money(payment["amount"]),
                "penalty": money(payment["penalty"]),
                "total": money(payment["amount"] + payment["penalty"]),
            }
            for payment in bill["payments"]
        ],
        "totals": {name: money(amount) for name, amount in bill["totals"].items()},
        "payees": [_payee(payee, money) for payee in bill["payees"]],
        "attached": json.dumps(bill, ensure_ascii=False, sort_keys=True, indent=1),
    }


def _contract(bill: Mapping[str, Any], language: str) -> dict[str, str]:
    text = translations(language).gettext
    areas = (
        (text("общая"), bill["total_area"]),
        (text("жилая"), bill["living_area"]),
        (text("отапливаемая"), bill["heated_area"]),
    )
    return {
        "holder": bill["holder"] or "",
        "address": bill["address"] or "",
        "els": bill["els"] or "",
        "residents": "" if bill["residents"] is None else str(bill["residents"]),
        "areas": ", ".join(
            f"{name}{formats.NBSP}{formats.decimal(area, language)}" for name, area in areas if area
        ),
    }


def _line(line: Mapping[str, Any], language: str) -> dict[str, str]:
    money = partial(formats.roubles, language=language)
    known = line["tariff"] is not None and line["volume"] is not None
    return {
        "name": line["name"],
        "unit": formats.unit(line["unit"], language),
        "tariff": formats.decimal(line["tariff"], language) if known else "",
        "volume": formats.decimal(line["volume"], language) if known else "",
        "charged": money(line["charged"]),
        "recalculation": money(line["recalculation"], sign=True) if line["recalculation"] else "",
        "concession": money(-line["concession"]) if line["concession"] else "",
        "payable": money(line["payable"]),
        "explanation": line["explanation"] or "",
    }


def _payee(payee: Mapping[str, Any], money: Any) -> dict[str, Any]:
    code = payee["payment_code"]
    details = ("name", "inn", "kpp", "account", "bank", "bic", "correspondent_account", "contacts")
    return {
        **{name: payee[name] for name in details},
        "amount": money(payee["amount"]),
        "penalty": money(payee["penalty"]) if payee["penalty"] else "",
        "total": money(payee["amount"] + payee["penalty"]),
        "qr": qr_svg(code) if code else "",
    }

"""Answers of the API that documents are made from."""

from __future__ import annotations

from typing import Any

from gateway.documents.bill import with_payees
from gateway.documents.payees import load_payees
from gateway.documents.receipt import receipt_pdf

RULES = {
    "kind": "rules",
    "version": "2026-11-01",
    "title": "Правила",
    "text": "# Правила\n\nТекст **важный**.\n\n## Раздел\n\n1. один\n2. два\n\n"
    "| a | b |\n|---|---|\n| 1 | 2 |\n",
}
COLUMNS = ("opening", "charged", "recalculated", "concession", "penalty", "paid", "closing")
_SERVICES = (
    ("heating", "Отопление", "Гкал", "2418.36", "0.242911", 58745),
    ("hot_water", "Горячее водоснабжение", "м³", "176.94", "3.537", 62584),
    ("cold_water", "Холодное водоснабжение", "м³", "36.18", "4.638", 16780),
    ("sewerage", "Водоотведение", "м³", "29.47", "8.175", 24092),
    ("electricity", "Электроэнергия", "кВт·ч", "6.43", "182", 117026),
    ("gas", "Газоснабжение", "м³", "9.12", "11.2", 10214),
    ("maintenance", "Содержание жилья", "м²", "29.9", "54.2", 162058),
    ("waste", "Обращение с ТКО", "чел.", "151.4", "3", 45420),
    ("intercom", "Домофон", "шт.", "55", "1", 5500),
    ("antenna", "Антенна", "шт.", "120", "1", 12000),
    ("lift", "Лифт", "м²", "4.1", "54.2", 22222),
    ("capital_repair", "Капитальный ремонт", "м²", "14.2", "54.2", 76964),
)


def row(service: str, name: str, **amounts: int) -> dict[str, Any]:
    """Return a row of the turnover that adds up."""
    found: dict[str, Any] = {**dict.fromkeys(COLUMNS, 0), **amounts}
    found["closing"] = (
        found["opening"]
        + found["charged"]
        + found["recalculated"]
        - found["concession"]
        + found["penalty"]
        - found["paid"]
    )
    return {"service": service, "name": name, **found}


def sums(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Return the totals of rows."""
    return {column: sum(one[column] for one in rows) for column in COLUMNS}


def bill(**changes: Any) -> dict[str, Any]:
    """Return a bill of twelve lines, two payees, a penalty and an adjustment."""
    lines, services = [], []
    for service, name, unit, tariff, volume, charged in _SERVICES:
        less = -2000 if service == "hot_water" else 0
        half = charged // 2 if service == "maintenance" else 0
        lines.append(
            {
                "service": service,
                "name": name,
                "unit": unit,
                "tariff": tariff,
                "volume": volume,
                "charged": charged,
                "recalculation": less,
                "concession": half,
                "payable": charged + less - half,
                "explanation": "Перерасчёт: отключение на 10 суток" if less else None,
            }
        )
        services.append(row(service, name, charged=charged, recalculated=less, concession=half))
    services[0] = row(
        "heating", "Отопление", opening=50000, charged=58745, recalculated=-5130, paid=50000
    )
    services.append(row("penalty", "penalty", penalty=1425))
    adjustment = {
        "period": "2026-09",
        "effective_on": "2026-10-05",
        "reason": "Недопоставка отопления 3-5 октября",
        "lines": [{"service": "heating", "name": "Отопление", "amount": -5130}],
    }
    found = {
        "number": "0100000001",
        "period": "2026-10",
        "latest": "2026-10",
        "bill_number": "2026-10/1001",
        "issued_on": "2026-10-31",
        "due_on": "2026-11-16",
        "first_day": "2026-10-01",
        "last_day": "2026-10-31",
        "lines": lines,
        "adjustments": [adjustment],
        "other_bills": [],
        "penalties": [],
        "payments": [{"effective_on": "2026-10-12", "amount": 50000, "penalty": 0}],
        "services": services,
        "totals": sums(services),
        "holder": "Примерова Полина Образцовна",
        "address": "г. Примерск, ул. Образцовая, д. 4, кв. 1",
        "residents": 3,
        "total_area": "54.2",
        "living_area": "38.6",
        "heated_area": "54.2",
        "els": "51АД600037",
    }
    return with_payees({**found, **changes}, load_payees())


def movement(day: str, kind: str, text: str, **amounts: int) -> dict[str, Any]:
    """Return a movement of a statement."""
    return {
        "position": 1,
        "effective_on": day,
        "recorded_at": f"{day}T09:00:00+00:00",
        "kind": kind,
        "text": text,
        "amount": 0,
        "penalty": 0,
        "balance": 0,
        **amounts,
    }


def statements(reason: str = "ошибка в площади") -> dict[str, Any]:
    """Return the statements of two accounts, one of them without movements."""
    first = sums(
        [
            row("heating", "", opening=120000, charged=450000, recalculated=-5130, paid=120000),
            row("penalty", "", penalty=1425),
        ]
    )
    movements = [
        movement("2026-05-12", "payment", "Оплата", amount=-120000),
        movement("2026-05-31", "charges", "Начисления за 2026-05", amount=450000, balance=450000),
        movement(
            "2026-06-05",
            "adjustment",
            f"Перерасчёт за 2026-05: {reason}",
            amount=-5130,
            balance=444870,
        ),
        movement("2026-06-20", "penalty", "Пени", penalty=1425, balance=446295),
    ]
    none = dict.fromkeys(COLUMNS, 0)
    return {
        "from": "2026-05-01",
        "to": "2026-06-30",
        "accounts": [
            {
                "number": "0100000001",
                "address": "г. Примерск, ул. Образцовая, д. 4, кв. 1",
                "movements": movements,
                "totals": first,
            },
            {"number": "0100000002", "address": None, "movements": [], "totals": none},
        ],
        "totals": first,
    }


def receipt() -> dict[str, Any]:
    """Return a receipt of one account, proven."""
    return {
        "payment": {
            "payment_id": "0b6e7c1e-4d2a-4f65-9c55-0f3a1d9a7b10",
            "state": "completed",
            "total": 451425,
            "lines": [{"account": "0100000001", "amount": 450000, "penalty": 1425, "posted": True}],
            "created_at": "2026-08-10T09:00:00+00:00",
            "captured_at": "2026-08-10T21:03:00+00:00",
            "masked_card": "411111**1111",
            "failure": None,
            "refunds": [
                {
                    "state": "made",
                    "total": 1_000_00,
                    "lines": [{"account": "0100000001", "amount": 1_000_00}],
                    "returned_at": "2026-08-12T09:30:00+00:00",
                },
                {"state": "refused", "total": 7_00, "lines": [], "returned_at": None},
            ],
            "message": "",
        },
        "postings": [
            {
                "account": "0100000001",
                "position": 42,
                "amount": 450000,
                "penalty": 1425,
                "allocation": [
                    {"period": "2026-07", "service": "heating", "amount": 300000},
                    {"period": "0001-01", "service": "waste", "amount": 100000},
                ],
            }
        ],
        "proofs": [
            {
                "account": "0100000001",
                "proof": {
                    "format": "saldo-inclusion-proof-v1",
                    "position": 42,
                    "index": 41,
                    "size": 64,
                    "leaf": "AA==",
                    "path": [],
                    "checkpoint": "b.example/ledger\n64\nAA==\n\n— b.example/ledger AA==\n",
                },
            }
        ],
    }


def make_receipt(language: str = "ru") -> bytes:
    """Return the PDF of the sample receipt."""
    return receipt_pdf(
        receipt(),
        words="Четыре тысячи пятьсот четырнадцать рублей 25 копеек",
        names={"heating": "Отопление"},
        verify_url="https://saldo.example/verify",
        timezone="Europe/Moscow",
        language=language,
    )

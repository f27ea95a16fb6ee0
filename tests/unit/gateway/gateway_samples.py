"""Results of RPCs, for the tests of the routes."""

from __future__ import annotations

from typing import Any

from account_access import access
from gateway_doubles import PERSON, SESSION, THING

PAYMENT = {
    "payment_id": THING,
    "state": "completed",
    "total": 451425,
    "lines": [
        {
            "account": "0001",
            "key": "0001",
            "amount": 450000,
            "penalty": 1425,
            "posted": True,
            "refunded": 0,
            "moved_to": None,
        }
    ],
    "created_at": "2026-05-14T09:30:00+00:00",
    "captured_at": "2026-05-14T09:31:00+00:00",
    "masked_card": "411111**1111",
    "failure": None,
    "acquirer": "main",
    "refunded": 0,
    "refunds": [],
    "charged": None,
}
HISTORY_TOTALS = {"count": 1, "paid": 451425, "refunded": 0}
PROFILE = {
    "person_id": PERSON,
    "person_type": "individual",
    "email": "ivanov@example.org",
    "organisation": None,
    "full_name": None,
    "phone": None,
}
LETTER = {
    "letter_id": THING,
    "kind": "payment_receipt",
    "state": "sent",
    "reason": None,
    "queued_at": "2026-05-14T09:30:00+00:00",
    "sent_at": "2026-05-14T09:30:05+00:00",
}
BALANCE = {
    "number": "0001",
    "as_of": None,
    "version": 3,
    "principal": 450000,
    "penalty": 1200,
    "penalty_due": 1425,
    "advance": 0,
    "services": [{"service": "heating", "name": "Отопление", "amount": 450000}],
}
ACCOUNT = {
    **access("0001"),
    "address": "ул. Ленина, 5",
    "holder": "Иванов И. И.",
    "residents": 3,
    "total_area": "54.3",
    "linked_at": "2026-05-14T09:30:00+00:00",
}
MONTH = {
    "period": "2026-04",
    "total": 444870,
    "due_on": "2026-05-15",
    "lines": [
        {
            "service": "heating",
            "name": "Отопление",
            "unit": "Гкал",
            "tariff": "2345.678901",
            "volume": "1.918",
            "charged": 450000,
            "recalculation": 0,
            "concession": 0,
            "payable": 450000,
        }
    ],
    "adjustments": [
        {
            "effective_on": "2026-05-20",
            "reason": "Недопоставка отопления",
            "lines": [{"service": "heating", "amount": -5130}],
        }
    ],
}
PENALTY = {
    "number": "0001",
    "on": "2026-12-31",
    "rules": "ru-2026-03",
    "principal": 250000,
    "total": 11963,
    "accrued": 5130,
    "owed": 11963,
    "provisional": True,
    "debts": [
        {
            "period": "2026-03",
            "payer_kind": "household",
            "due_on": "2026-04-15",
            "principal": 450000,
            "unpaid": 250000,
            "total": 5130,
            "segments": [
                {
                    "from": "2026-04-16",
                    "to": "2026-05-15",
                    "days": 30,
                    "base": 450000,
                    "rate": None,
                    "divisor": None,
                    "amount": 0,
                    "reason": "deferment",
                },
                {
                    "from": "2026-05-16",
                    "to": "2026-06-20",
                    "days": 36,
                    "base": 450000,
                    "rate": "9.5",
                    "divisor": 300,
                    "amount": 5130,
                    "reason": "accrual",
                },
            ],
        }
    ],
}
PROOF = {
    "format": "saldo-inclusion-proof-v1",
    "position": 7,
    "index": 6,
    "size": 8,
    "leaf": "bGVhZg==",
    "path": ["A" * 43 + "="],
    "checkpoint": "billing.example/ledger\n8\nroot\n\n— billing.example/ledger signature\n",
}
QUESTION = {
    "question_id": THING,
    "topic": "charges",
    "title": "Начисления",
    "title_en": "Charges",
    "number": 7,
    "department": "billing",
    "department_title": "Расчётный отдел",
    "account": None,
    "state": "answered",
    "asked_at": "2026-05-14T09:30:00+00:00",
    "last_message_at": "2026-05-14T10:30:00+00:00",
    "due_on": None,
    "overdue": False,
    "unread": 0,
}
TOPIC = {
    "topic": "charges",
    "title": "Начисления",
    "title_en": "Charges",
    "department": "billing",
}
SIGNED_IN = {
    "token": "t",
    "session_id": SESSION,
    "person_id": PERSON,
    "must_change_password": True,
    "must_accept": [{"kind": "rules", "accepted": "2025-09-01", "version": "2026-11-01"}],
    "expires_at": "2026-06-14T09:30:00+00:00",
    "device_token": "d",
}
SESSION_ROW = {
    "session_id": SESSION,
    "device": "Firefox",
    "how": "password",
    "same_network": True,
    "created_at": "2026-05-14T09:30:00+00:00",
    "last_seen_at": "2026-05-14T09:30:00+00:00",
}

NO_TURNOVER = dict.fromkeys(
    ("opening", "charged", "recalculated", "concession", "penalty", "paid", "closing"), 0
)
OWED = {
    "number": "0100000001",
    "on": "2026-06-30",
    "services": [{"service": "heating", "name": "Отопление", "amount": 450000}],
    "principal": 450000,
    "penalty": 1425,
    "advance": 0,
    "owed": 451425,
}
PAID = {**OWED, "services": [], "principal": 0, "penalty": 0, "owed": 0}


def act(**asked: Any) -> dict[str, Any]:
    return {
        "number": asked["number"],
        "first_day": asked["first_day"],
        "last_day": asked["last_day"],
        "movements": [
            {
                **NO_TURNOVER,
                "position": 7,
                "effective_on": "2026-06-20",
                "kind": "payment",
                "text": "Оплата",
                "period": "",
                "reason": "",
                "taken": None,
                "paid": 123456,
                "balance": 450000,
            }
        ],
        "services": [{**NO_TURNOVER, "service": "heating", "name": "Отопление", "closing": 450000}],
        "totals": {**NO_TURNOVER, "opening": 573456, "paid": 123456, "closing": 450000},
        "penalty_day": asked["last_day"],
        "unbooked_penalty": 1425,
    }


FISCAL_RECEIPT = {
    "receipt_id": THING,
    "refund_id": None,
    "kind": "income",
    "kind_code": 1,
    "state": "registered",
    "total": 451425,
    "seller": {
        "name": "ООО «Примерский расчётный центр»",
        "inn": "6200098765",
        "place": "https://saldo.example",
    },
    "taxation": "osn",
    "taxation_code": 1,
    "items": [
        {
            "name": "Оплата жилищно-коммунальных услуг, лицевой счёт 0001",
            "price": 450000,
            "quantity": 1,
            "measure_code": 0,
            "sum": 450000,
            "vat": "vat22",
            "vat_code": 11,
            "subject_code": 4,
            "method_code": 4,
        },
        {
            "name": "Пени, лицевой счёт 0001",
            "price": 1425,
            "quantity": 1,
            "measure_code": 0,
            "sum": 1425,
            "vat": "none",
            "vat_code": 6,
            "subject_code": 10,
            "method_code": 4,
        },
    ],
    "requested_at": "2026-05-14T09:31:00+00:00",
    "issued_at": "2026-05-14T09:31:30+00:00",
    "drive": "9960440300000001",
    "document": "17",
    "sign": "2938475610",
    "register": "0000000001000001",
    "url": "https://ofd.example/receipts/17",
    "code": "t=20260514T1231&s=4514.25&fn=9960440300000001&i=17&fp=2938475610&n=1",
}
FISCAL_RECEIPTS = {"offered": True, "receipts": [FISCAL_RECEIPT]}

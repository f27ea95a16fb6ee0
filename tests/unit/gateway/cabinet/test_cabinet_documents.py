"""Pages and files of bills, statements, receipts and rules."""

from __future__ import annotations

import re
from typing import Any

import pypdfium2
import pytest
from account_access import access, owned_of
from cabinet_doubles import CabinetBrowser
from gateway_doubles import THING, Browser, FakeServices

from shared.errors import NotFound, Unavailable

NUMBER, STRANGERS = "0100000001", "0100000009"
COLUMNS = ("opening", "charged", "recalculated", "concession", "penalty", "paid", "closing")
ACCOUNT = {
    **access(NUMBER),
    "address": "ул. Ленина, 5",
    "holder": "Иванов И. И.",
    "residents": 3,
    "total_area": "54.3",
    "living_area": None,
    "heated_area": None,
    "els": None,
    "linked_at": "2026-05-14T09:30:00+00:00",
}
TOTALS = {
    "opening": 100000,
    "charged": 450000,
    "recalculated": -5130,
    "concession": 0,
    "penalty": 1425,
    "paid": 100000,
    "closing": 446295,
}
LINE = {
    "service": "heating",
    "name": "Отопление",
    "unit": "Гкал",
    "tariff": "2345.678901",
    "volume": "1.918",
    "charged": 450000,
    "recalculation": -5130,
    "concession": 0,
    "payable": 444870,
    "explanation": "Недопоставка 3 суток",
}
BILL = {
    "number": NUMBER,
    "period": "2026-10",
    "latest": "2026-10",
    "bill_number": "2026-10/1001",
    "issued_on": "2026-10-31",
    "due_on": "2026-11-16",
    "first_day": "2026-10-01",
    "last_day": "2026-10-31",
    "lines": [LINE],
    "adjustments": [],
    "other_bills": [],
    "penalties": [],
    "payments": [{"effective_on": "2026-10-12", "amount": 100000, "penalty": 0}],
    "services": [
        {"service": "heating", "name": "Отопление", **TOTALS, "penalty": 0, "closing": 444870},
        {"service": "penalty", "name": "penalty", **dict.fromkeys(TOTALS, 0), "penalty": 1425}
        | {"closing": 1425},
    ],
    "totals": {**TOTALS, "closing": 446295},
}
MOVEMENT = {
    "position": 7,
    "effective_on": "2026-10-31",
    "recorded_at": "2026-10-31T09:00:00+00:00",
    "kind": "charges",
    "text": "Начисления за 2026-10",
    "amount": 444870,
    "penalty": 0,
    "balance": 446295,
}


@pytest.fixture(autouse=True)
def played(services: FakeServices, cabinet: CabinetBrowser) -> None:
    services.answers["accounts", "linked"] = {"accounts": [ACCOUNT]}
    services.answers["accounts", "owns"] = lambda person_id, numbers: owned_of(numbers, NUMBER)
    services.answers["accounts", "control_code"] = {"control_code": "7K4M-Q2XD"}
    services.answers["ledger", "bill"] = BILL
    services.answers["ledger", "balances"] = Unavailable("no_answer", "Busy.")
    services.answers["ledger", "statements_between"] = lambda **asked: {
        "accounts": [
            {"number": number, "movements": [MOVEMENT], "totals": TOTALS}
            for number in asked["numbers"]
        ],
        "next": None,
    }
    cabinet.sign_in()


def test_bill_says_first_what_is_to_pay_and_until_when(cabinet: CabinetBrowser) -> None:
    shown = cabinet.get(f"/accounts/{NUMBER}/bills/2026-10")
    assert shown.status == 200
    assert "К оплате 4 462,95 ₽ до 16 ноября 2026 включительно" in shown.text
    assert "Недопоставка 3 суток" in shown.text
    assert "2026-10/1001" in shown.text
    assert f"/accounts/{NUMBER}/bills/2026-10.pdf" in shown.links
    assert shown.markup.count("<svg") == 2, "the mark of the cabinet, and the payment QR"
    assert "style=" not in shown.markup


def test_paid_bill_asks_for_nothing(cabinet: CabinetBrowser, services: FakeServices) -> None:
    paid = {"number": NUMBER, "as_of": None, "version": 9, "services": []}
    sums = dict.fromkeys(("principal", "penalty", "penalty_due", "advance"), 0)
    services.answers["ledger", "balances"] = {"balances": [{**paid, **sums}]}
    shown = cabinet.get(f"/accounts/{NUMBER}/bills/2026-10")
    assert "Счёт — на 31 октября 2026. Сейчас к оплате 0,00 ₽" in shown.text
    assert "/pay" not in re.findall(r'class="button main" href="([^"]*)"', shown.markup)


def test_bill_is_a_file_too(cabinet: CabinetBrowser, browser: Browser) -> None:
    for response in (
        cabinet.client.get(f"/accounts/{NUMBER}/bills/2026-10.pdf"),
        browser("GET", f"/api/v1/accounts/{NUMBER}/bills/2026-10.pdf"),
    ):
        assert response.status_code == 200
        assert response.data.startswith(b"%PDF-1.7")
        assert response.headers["Content-Type"] == "application/pdf"
        assert response.headers["Content-Disposition"] == (
            f'inline; filename="bill-{NUMBER}-2026-10.pdf"'
        )
        assert response.headers["Cache-Control"] == "no-store"
        page = pypdfium2.PdfDocument(response.data)[0]
        assert "7K4M-Q2XD" in page.get_textpage().get_text_bounded()


def test_api_bill_names_whom_to_pay(browser: Browser) -> None:
    found = browser("GET", f"/api/v1/accounts/{NUMBER}/bills/2026-10").json
    assert found["to_pay"] == 446295
    [payee] = found["payees"]
    assert (payee["amount"], payee["penalty"]) == (444870, 1425)
    assert "|Sum=444870|" in payee["payment_code"]
    assert found["lines"][0]["explanation"] == "Недопоставка 3 суток"


def test_past_bill_leads_to_the_latest(cabinet: CabinetBrowser, services: FakeServices) -> None:
    services.answers["ledger", "bill"] = {**BILL, "latest": "2026-11"}
    shown = cabinet.get(f"/accounts/{NUMBER}/bills/2026-10")
    assert "Это счёт прошлого месяца" in shown.text
    assert f"/accounts/{NUMBER}/bills/2026-11" in shown.links


@pytest.mark.parametrize("ending", ["", ".pdf"])
def test_bill_that_is_not_issued_yet(
    cabinet: CabinetBrowser, services: FakeServices, ending: str
) -> None:
    services.answers["ledger", "bill"] = NotFound(
        "bill_not_issued",
        "None yet.",
        period="2026-11",
        latest="2026-10",
        latest_issued_on="2026-10-31",
    )
    shown = cabinet.get(f"/accounts/{NUMBER}/bills/2026-11{ending}")
    assert shown.status == 404
    assert "Счёт за этот месяц ещё не выставлен" in shown.text
    assert "31 октября 2026" in shown.text
    assert f"/accounts/{NUMBER}/bills/2026-10" in shown.links


@pytest.mark.parametrize(
    "path",
    [
        f"/accounts/{STRANGERS}/bills/2026-10",
        f"/accounts/{STRANGERS}/bills/2026-10.pdf",
        f"/accounts/{NUMBER}/bills/2026-13",
        f"/accounts/{NUMBER}/bills/october.pdf",
        f"/accounts/{STRANGERS}/statement",
        f"/accounts/{STRANGERS}/statement.xlsx",
        "/accounts/drop-table/statement.csv",
    ],
)
def test_what_is_not_the_persons_does_not_exist(cabinet: CabinetBrowser, path: str) -> None:
    shown = cabinet.get(path)
    assert (shown.status, "Такой страницы нет" in shown.text) == (404, True)
    assert "4 462,95" not in shown.text, "what the ledger answered beside is shown"


def test_statement_has_running_balance_and_control_totals(cabinet: CabinetBrowser) -> None:
    shown = cabinet.get(f"/accounts/{NUMBER}/statement?from=01.10.2026&to=31 октября 2026")
    assert shown.status == 200
    assert "Начислено, октябрь 2026" in shown.text
    assert "Остаток на конец дня 31 октября 2026: 4 462,95 ₽" in shown.text
    assert "Исходящий остаток" in shown.text
    days = "from=2026-10-01&to=2026-10-31"
    untyped = cabinet.get(f"/accounts/{NUMBER}/statement").fields
    assert re.fullmatch(r"01\.\d\d\.\d{4}", untyped["from"]), "as the hint writes a day"
    assert f"/accounts/{NUMBER}/statement.xlsx?{days}" in shown.links
    assert f"/statement.csv?{days}" in shown.links


def test_statement_of_quiet_days_says_so(cabinet: CabinetBrowser, services: FakeServices) -> None:
    totals = {**dict.fromkeys(TOTALS, 0), "opening": 120000, "closing": 120000}
    services.answers["ledger", "statements_between"] = {
        "accounts": [{"number": NUMBER, "movements": [], "totals": totals}],
        "next": None,
    }
    shown = cabinet.get(f"/accounts/{NUMBER}/statement?from=01.02.2026&to=28.02.2026")
    assert "Движений не было. Входящий остаток 1 200,00 ₽" in shown.text


@pytest.mark.parametrize("days", ["from=завтра", "from=31.10.2026&to=01.10.2026"])
def test_wrong_days_stay_typed_with_words_beside(cabinet: CabinetBrowser, days: str) -> None:
    shown = cabinet.get(f"/accounts/{NUMBER}/statement?{days}")
    assert shown.status == 422
    assert "Введите два дня" in shown.text
    assert shown.fields["from"] in ("завтра", "31.10.2026")
    assert cabinet.get(f"/statement.csv?{days}").status == 422


@pytest.mark.parametrize(
    ("ending", "begins"), [("csv", b"\xef\xbb\xbf"), ("xlsx", b"PK"), ("pdf", b"%PDF-1.7")]
)
@pytest.mark.parametrize("path", [f"/accounts/{NUMBER}/statement", "/statement"])
def test_statement_is_a_file(
    cabinet: CabinetBrowser, path: str, ending: str, begins: bytes
) -> None:
    response = cabinet.client.get(f"{path}.{ending}?from=2026-10-01&to=2026-10-31")
    assert response.status_code == 200
    assert response.data.startswith(begins)
    assert f".{ending}" in response.headers["Content-Disposition"]


def test_totals_of_all_accounts_add_up(browser: Browser, services: FakeServices) -> None:
    second = {**ACCOUNT, **access("0100000002")}
    services.answers["accounts", "linked"] = {"accounts": [ACCOUNT, second]}
    found = browser("GET", "/api/v1/statement?from=2026-10-01&to=2026-10-31").json
    assert [one["number"] for one in found["accounts"]] == [NUMBER, "0100000002"]
    for column in COLUMNS:
        assert found["totals"][column] == 2 * TOTALS[column]
    one = browser("GET", f"/api/v1/statement?account={NUMBER}&from=2026-10-01").json
    assert one["totals"] == TOTALS


def test_long_statement_is_asked_for_in_pieces(browser: Browser, services: FakeServices) -> None:
    second = {**ACCOUNT, **access("0100000002")}
    services.answers["accounts", "linked"] = {"accounts": [ACCOUNT, second]}

    def piece(numbers: list[str], after: int, **_: Any) -> dict[str, Any]:
        one = {**MOVEMENT, "position": after}
        return {
            "accounts": [
                {"number": number, "totals": TOTALS, "movements": [one] if number == held else []}
                for held in [numbers[after // 2]]
                for number in numbers
            ],
            "next": after + 1 if after < 3 else None,
        }

    services.answers["ledger", "statements_between"] = piece
    found = browser("GET", "/api/v1/statement").json
    positions = [[one["position"] for one in account["movements"]] for account in found["accounts"]]
    assert positions == [[0, 1], [2, 3]]
    assert found["totals"]["closing"] == 2 * TOTALS["closing"]


def test_api_statement_takes_days(browser: Browser, services: FakeServices) -> None:
    path = f"/api/v1/accounts/{NUMBER}/statement"
    services.answers["ledger", "statement_between"] = lambda **asked: {
        "number": NUMBER,
        "from": asked["first_day"],
        "to": asked["last_day"],
        "movements": [MOVEMENT],
        "totals": TOTALS,
        "next": asked["after"] + 1,
    }
    first = browser("GET", f"{path}?from=2026-10-01&to=2026-10-31&limit=1").json
    assert (first["from"], first["to"], first["totals"]) == ("2026-10-01", "2026-10-31", TOTALS)
    browser("GET", f"{path}?from=2026-10-01&to=2026-10-31&limit=1&after={first['next']}")
    assert services.calls[-1][2]["after"] == 1
    other_days = browser("GET", f"{path}?from=2026-10-02&to=2026-10-31&after={first['next']}")
    assert other_days.json["code"] == "invalid_cursor"
    assert browser("GET", f"{path}?from=2026-11-01&to=2026-10-31").json["code"] == "invalid_days"


def test_rules_are_a_file_of_their_version(cabinet: CabinetBrowser, services: FakeServices) -> None:
    services.answers["identity", "document"] = lambda kind, version: {
        "kind": kind,
        "version": version or "2026-11-01",
        "title": "Правила",
        "media_type": "text/markdown",
        "text": "# Правила\n\nТекст.\n",
        "in_force": "2026-11-01",
        "versions": ["2026-11-01", "2025-09-01"],
    }
    response = cabinet.client.get("/documents/rules.pdf?version=2025-09-01")
    assert response.data.startswith(b"%PDF-1.7")
    assert "rules-2025-09-01.pdf" in response.headers["Content-Disposition"]
    assert "/documents/rules.pdf?version=2026-11-01" in cabinet.get("/documents/rules").links


def test_receipt_is_a_file(cabinet: CabinetBrowser, services: FakeServices) -> None:
    payment: dict[str, Any] = {
        "payment_id": THING,
        "state": "completed",
        "total": 1000,
        "lines": [{"account": NUMBER, "key": NUMBER, "amount": 1000, "penalty": 0, "posted": True}],
        "created_at": "2026-10-12T09:00:00+00:00",
        "captured_at": "2026-10-12T09:01:00+00:00",
        "masked_card": None,
        "failure": None,
        "refunds": [],
    }
    services.answers["payments", "payment"] = payment
    services.answers["ledger", "payment_postings"] = {"postings": []}
    services.answers["ledger", "payment_proofs"] = {"proofs": []}
    response = cabinet.client.get(f"/payments/{THING}/receipt.pdf")
    assert response.status_code == 200
    assert response.data.startswith(b"%PDF-1.7")
    services.answers["payments", "payment"] = {**payment, "state": "awaiting_payment"}
    assert cabinet.client.get(f"/payments/{THING}/receipt.pdf").status_code == 409

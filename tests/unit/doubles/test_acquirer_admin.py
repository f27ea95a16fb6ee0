"""The bank's own desk: refunds without the merchant, the panel, and who may use it."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from bank_doubles import DECLINES, PAYS, BankHarness

from deploy.doubles.acquirer.faults import Faults
from deploy.doubles.acquirer.panel import FAULTS, InvalidAmountError, read_amount


@pytest.fixture
def paid(bank: BankHarness) -> str:
    order_id = bank.register()
    bank.enter_card(order_id, PAYS)
    return order_id


def sums(bank: BankHarness, order_id: str) -> tuple[int, int]:
    order = bank.orders.find(order_id=order_id)
    return order.charged, order.returned


def press(bank: BankHarness, order_id: str, action: str, roubles: str = "") -> int:
    form = {"mdOrder": order_id, "action": action, "roubles": roubles}
    return bank.http.post("/admin/panel/order", data=form).status_code


def test_bank_refunds_by_itself_and_calls_back(bank: BankHarness, paid: str) -> None:
    path = f"/admin/orders/{paid}/refund"
    assert bank.http.post(path, json={"amount": 1000}).get_json() == {"done": True}
    assert sums(bank, paid) == (450_000, 1000)
    assert bank.http.post(path, json={"amount": 450_000}).status_code == 409
    assert bank.http.post(path).status_code == 200
    assert sums(bank, paid) == (450_000, 450_000)
    assert bank.http.post(path, json={}).status_code == 409
    assert [c.operation for c in bank.callbacks()] == ["deposited", "refunded", "refunded"]
    assert bank.http.post("/admin/orders/x/refund").status_code == 404


@pytest.mark.parametrize("amount", [0, -1, True, "100", 1.5])
def test_refund_of_no_amount_is_refused(bank: BankHarness, paid: str, amount: object) -> None:
    answer = bank.http.post(f"/admin/orders/{paid}/refund", json={"amount": amount})
    assert answer.status_code in {409, 422}
    assert sums(bank, paid) == (450_000, 0)


def test_bank_reverses_and_calls_back_again(bank: BankHarness, paid: str) -> None:
    assert bank.http.post(f"/admin/orders/{paid}/reverse").status_code == 200
    assert bank.http.post(f"/admin/orders/{paid}/reverse").status_code == 409
    bank.http.put("/admin/faults", json={"drop_callbacks": True})
    assert bank.http.post(f"/admin/orders/{paid}/callback").status_code == 200
    assert [c.operation for c in bank.callbacks()] == ["deposited", "reversed", "reversed"]
    open_order = bank.register("n2")
    assert bank.http.post(f"/admin/orders/{open_order}/callback").status_code == 409


def test_panel_shows_orders_sums_and_states(bank: BankHarness, paid: str) -> None:
    bank.enter_card(bank.register("n2"), DECLINES)
    bank.orders.refund(paid, 1050)
    text = bank.http.get("/admin").text
    for shown in ("n1", "n2", "возвращён", "отклонён", "4\u00a0500,00\u00a0₽", "10,50\u00a0₽"):
        assert shown in text
    assert "<script" not in text
    only = bank.http.get("/admin?state=6").text
    assert "n2" in only
    assert ">n1<" not in only
    assert ">n1<" in bank.http.get("/admin?number=n1").text
    assert "Таких заказов нет" in bank.http.get("/admin?number=n9").text


def test_panel_pages_through_the_orders(bank: BankHarness) -> None:
    for place in range(120):
        bank.register(f"n{place}")
    found: list[str] = []
    path = "/admin"
    while path:
        text = bank.http.get(path).text
        found += re.findall(r"<code>(n[0-9]+)</code>", text)
        older = re.search(r'href="(/admin\?before=[0-9]+)"', text)
        path = older[1] if older else ""
    assert found == [f"n{place}" for place in reversed(range(120))]


def test_panel_returns_money(bank: BankHarness, paid: str) -> None:
    assert press(bank, paid, "refund_part", "150,50") == 303
    assert sums(bank, paid) == (450_000, 15_050)
    assert press(bank, paid, "reverse") == 422, "a part went back already"
    assert press(bank, paid, "refund") == 303
    assert sums(bank, paid) == (450_000, 450_000)
    assert press(bank, paid, "callback") == 303
    assert len(bank.callbacks()) == 4
    page = bank.http.get(f"/admin/order?mdOrder={paid}").text
    assert page.count("<code>refunded</code>") == 3


def test_wrong_amount_is_shown_with_what_was_typed(bank: BankHarness, paid: str) -> None:
    form = {"mdOrder": paid, "action": "refund_part", "roubles": "сто <b>"}
    answer = bank.http.post("/admin/panel/order", data=form)
    assert answer.status_code == 422
    assert "сто &lt;b&gt;" in answer.text
    assert "Введите сумму возврата" in answer.text
    assert sums(bank, paid) == (450_000, 0)
    assert press(bank, "x", "refund") == 404


def test_amounts_are_read_in_roubles() -> None:
    amounts = ["1", "1,5", "1.05", "4 500,00"]
    assert [read_amount(text) for text in amounts] == [100, 150, 105, 450_000]
    for text in ("", "-1", "1,055", "1e3", "сто"):
        with pytest.raises(InvalidAmountError):
            read_amount(text)


def test_faults_are_switched_in_a_form(bank: BankHarness) -> None:
    form = {"hang": "on", "status_delay_seconds": "1,5", "charges_other_amount": "-100"}
    assert bank.http.post("/admin/panel/faults", data=form).status_code == 303
    on = bank.faults.now
    assert (on.hang, on.status_delay_seconds, on.charges_other_amount) == (True, 1.5, -100)
    assert 'id="hang" name="hang" value="on" checked' in bank.http.get("/admin").text
    assert bank.http.post("/admin/panel/faults", data={"clear": "1"}).status_code == 303
    assert bank.faults.now == Faults()
    wrong = bank.http.post("/admin/panel/faults", data={"chaos": "почти"})
    assert wrong.status_code == 422
    assert 'value="почти"' in wrong.text
    assert bank.faults.now == Faults()


def test_every_fault_is_on_the_panel() -> None:
    shown = [name for group in FAULTS.values() for name in group]
    assert sorted(shown) == sorted(field.name for field in fields(Faults))


PATHS = [
    ("/admin", "GET"),
    ("/admin/order", "GET"),
    ("/admin/orders", "GET"),
    ("/admin/faults", "GET"),
    ("/admin/faults", "PUT"),
    ("/admin/faults", "DELETE"),
    ("/admin/panel/faults", "POST"),
    ("/admin/panel/order", "POST"),
    ("/admin/orders/x/refund", "POST"),
]


@pytest.mark.parametrize(("path", "method"), PATHS)
def test_desk_is_open_to_this_machine_only(bank: BankHarness, path: str, method: str) -> None:
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    answer = bank.http.open(path, method=method, environ_overrides=elsewhere)
    assert answer.status_code == 403
    # A name of somebody else's that points here.
    answer = bank.http.open(path, method=method, headers={"Host": "evil.example:18090"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_page_of_another_site_changes_nothing(
    bank: BankHarness, paid: str, headers: dict[str, str]
) -> None:
    form = {"mdOrder": paid, "action": "refund"}
    assert bank.http.post("/admin/panel/order", data=form, headers=headers).status_code == 403
    for method in ("PUT", "POST"):
        answer = bank.http.open(
            "/admin/faults", method=method, data='{"hang": true}', headers=headers
        )
        assert answer.status_code == 403
    assert sums(bank, paid) == (450_000, 0)
    assert not bank.faults.now.hang
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert bank.http.post("/admin/panel/order", data=form, headers=own).status_code == 303

"""Faults, notifications and the panel of the simulated YooKassa."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from bank_doubles import PAYS
from kassa_doubles import SECOND, KassaHarness, new_payment

from deploy.doubles.yookassa.faults import OCCASIONS, Faults, FaultSwitch
from deploy.doubles.yookassa.notifications import NotificationSender
from deploy.doubles.yookassa.settings import SettingsError, load_shop_settings
from tests.serving_http import serving
from tests.waiting import eventually


def held(kassa: KassaHarness, number: str = "n1") -> str:
    payment_id = str(kassa.create(number)["id"])
    kassa.enter_card(payment_id, PAYS)
    return payment_id


def captured(kassa: KassaHarness, number: str = "n1") -> str:
    payment_id = held(kassa, number)
    assert kassa.call("POST", f"payments/{payment_id}/capture", {}).status_code == 200
    return payment_id


def refund(kassa: KassaHarness, payment_id: str) -> int:
    body = {"payment_id": payment_id, "amount": {"value": "1.00", "currency": "RUB"}}
    return kassa.call("POST", "refunds", body).status_code


def told(kassa: KassaHarness) -> list[str]:
    return [one.event for one in kassa.notifications()]


def test_every_change_is_notified_with_its_object(kassa: KassaHarness) -> None:
    payment_id = captured(kassa)
    refund(kassa, payment_id)
    assert told(kassa) == ["payment.waiting_for_capture", "payment.succeeded", "refund.succeeded"]
    first, _, last = (json.loads(one.body) for one in kassa.notifications())
    assert first["type"] == "notification"
    assert first["object"]["status"] == "waiting_for_capture", "as it was then"
    assert last["object"]["payment_id"] == payment_id


def test_notification_is_repeated_until_200(kassa: KassaHarness) -> None:
    held(kassa)
    answers, bodies = [503, 200], []

    def respond(_request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        bodies.append(body)
        return answers.pop(0), b""

    with serving(respond) as address:
        sender = NotificationSender(
            kassa.database, f"http://{address}/", kassa.log, clock=lambda: kassa.now
        )
        (first,) = sender.due()
        assert not sender.deliver(first)
        assert sender.due() == []
        kassa.now += SECOND
        (again,) = sender.due()
        assert sender.deliver(again)
    assert bodies[0] == bodies[1] == first.body.encode()
    kassa.now += 24 * 3600 * SECOND
    assert sender.due() == []


def test_notifications_are_dropped_doubled_or_delayed(kassa: KassaHarness) -> None:
    kassa.switch_on(drop_callbacks=True)
    held(kassa, "n1")
    assert told(kassa) == []
    kassa.switch_on(drop_callbacks=False, double_callbacks=True, callback_delay_seconds=60)
    held(kassa, "n2")
    assert told(kassa) == []
    kassa.now += 60 * SECOND
    assert told(kassa) == ["payment.waiting_for_capture"] * 2


@pytest.mark.parametrize("part", ["call", "answer"])
@pytest.mark.parametrize("call", ["register", "status", "capture", "close", "refund", "report"])
def test_call_or_its_answer_is_lost(kassa: KassaHarness, call: str, part: str) -> None:
    payment_id = captured(kassa) if call == "refund" else held(kassa)
    before = kassa.show(payment_id), len(kassa.lists.all_payments())
    kassa.switch_on(**{f"lose_{call}_{part}": True})
    body = {"payment_id": payment_id, "amount": {"value": "1.00", "currency": "RUB"}}
    method, path, sent = {
        "register": ("POST", "payments", new_payment("n2")),
        "status": ("GET", f"payments/{payment_id}", None),
        "capture": ("POST", f"payments/{payment_id}/capture", {}),
        "close": ("POST", f"payments/{payment_id}/cancel", {}),
        "refund": ("POST", "refunds", body),
        "report": ("GET", "payments", None),
    }[call]
    response = kassa.call(method, path, sent)
    assert response.status_code == 500
    assert response.get_json()["code"] == "internal_server_error"
    kassa.switch_on(**{f"lose_{call}_{part}": False})
    after = kassa.show(payment_id), len(kassa.lists.all_payments())
    assert (after == before) == (part == "call" or call in {"status", "report"})


def test_page_fails_before_or_after_the_charge(kassa: KassaHarness) -> None:
    payment_id = kassa.create()["id"]
    kassa.switch_on(error_before_charge=True)
    assert kassa.enter_card(payment_id, PAYS).status_code == 500
    assert kassa.show(payment_id)["status"] == "pending"
    kassa.switch_on(error_before_charge=False, error_after_charge=True)
    assert kassa.enter_card(payment_id, PAYS).status_code == 500
    assert kassa.show(payment_id)["status"] == "waiting_for_capture"
    assert kassa.enter_card(payment_id, PAYS).status_code == 303, "nothing is taken twice"


@pytest.mark.parametrize(("other", "value"), [(True, "4501.00"), (-1, "4499.99")])
def test_another_sum_is_taken(kassa: KassaHarness, other: Any, value: str) -> None:
    kassa.switch_on(charges_other_amount=other)
    assert kassa.show(held(kassa))["amount"]["value"] == value


def test_status_tells_other_than_what_happened(kassa: KassaHarness) -> None:
    payment_id = captured(kassa)
    true = kassa.show(payment_id)
    kassa.switch_on(status_lags=True)
    lagging = kassa.show(payment_id)
    assert (lagging["status"], lagging["paid"]) == ("pending", False)
    kassa.switch_on(status_lags=False, status_misreports=True)
    assert kassa.show(payment_id)["amount"]["value"] == "4501.00"
    kassa.switch_on(status_misreports=False, status_denies=True)
    assert kassa.call("GET", f"payments/{payment_id}").status_code == 404
    assert kassa.call("GET", "payments").get_json()["items"] == []
    kassa.switch_on(status_denies=False)
    assert kassa.show(payment_id) == true


def test_sessions_and_holds_end_at_once(kassa: KassaHarness) -> None:
    held_id, open_id, paid_id = held(kassa, "n1"), kassa.create("n2")["id"], captured(kassa, "n3")
    kassa.switch_on(end_sessions=True)
    assert kassa.show(open_id)["status"] == "canceled"
    assert kassa.show(held_id)["status"] == "waiting_for_capture"
    kassa.switch_on(end_holds=True)
    assert kassa.show(held_id)["status"] == "canceled"
    assert kassa.show(paid_id)["status"] == "succeeded"


def test_refunds_are_refused(kassa: KassaHarness) -> None:
    payment_id = captured(kassa)
    kassa.switch_on(refuse_refunds=True)
    assert refund(kassa, payment_id) == 400
    assert kassa.show(payment_id)["refunded_amount"]["value"] == "0.00"


def test_hanging_call_takes_its_course_when_the_fault_is_off(kassa: KassaHarness) -> None:
    kassa.switch_on(hang=True)
    with ThreadPoolExecutor() as pool:
        call = pool.submit(kassa.create)
        assert not call.done()
        kassa.http.delete("/admin/faults")
        assert eventually(call.done, "the answer")
    assert call.result()["status"] == "pending"


def test_chaos_draws_the_same_from_the_same_seed() -> None:
    def drawn(seed: int) -> list[Faults]:
        switch = FaultSwitch()
        switch.change({"chaos": 0.5, "chaos_seed": seed})
        return [switch.drawn(occasion) for occasion in OCCASIONS for _ in range(50)]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    quiet = Faults(chaos=0.5, chaos_seed=7)
    assert 0.3 < sum(one != quiet for one in drawn(7)) / len(drawn(7)) < 0.7


def test_every_fault_that_chaos_draws_exists() -> None:
    names = set(vars(Faults()))
    assert set().union(*OCCASIONS.values()) <= names


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"no_such_fault": True},
        {"hang": 1},
        {"callback_delay_seconds": -1},
        {"callback_delay_seconds": True},
        {"chaos": 2},
        {"chaos_seed": 1.5},
    ],
)
def test_wrong_fault_is_refused(kassa: KassaHarness, wrong: Any) -> None:
    assert kassa.http.put("/admin/faults", json=wrong).status_code == 422
    assert kassa.faults.now == Faults()


def test_bank_refunds_by_itself(kassa: KassaHarness) -> None:
    payment_id = captured(kassa)
    path = f"/admin/orders/{payment_id}/refund"
    part = kassa.http.post(path, json={"amount": 700}).get_json()
    assert (part["charged"], part["returned"], part["status"]) == (450_000, 700, "succeeded")
    assert kassa.http.post(path, json={}).get_json()["returned"] == 450_000
    assert told(kassa)[-2:] == ["refund.succeeded"] * 2
    assert kassa.http.post(path, json={"amount": 1}).status_code == 400
    assert kassa.http.post(path, json={"amount": -1}).status_code == 400
    assert kassa.http.post(path, json={"amount": "1"}).status_code == 422
    assert kassa.http.post("/admin/orders/none/refund", json={}).status_code == 404


def test_orders_are_listed_for_reconciliation(kassa: KassaHarness) -> None:
    held_id, paid_id = held(kassa, "n1"), captured(kassa, "n2")
    orders = kassa.http.get("/admin/orders").get_json()["orders"]
    common = {"amount": 450_000, "returned": 0}
    assert orders == [
        {
            "orderId": held_id,
            "orderNumber": "n1",
            "status": "waiting_for_capture",
            "held": 450_000,
            "charged": 0,
            "chargedAt": None,
            **common,
        },
        {
            "orderId": paid_id,
            "orderNumber": "n2",
            "status": "succeeded",
            "held": 0,
            "charged": 450_000,
            "chargedAt": kassa.now,
            **common,
        },
    ]


def test_panel_shows_payments_and_switches_faults(kassa: KassaHarness) -> None:
    payment_id = captured(kassa)
    page = kassa.http.get("/admin")
    assert "n1" in page.text
    assert "4\u00a0500,00" in page.text
    switched = kassa.http.post(
        "/admin", data={"hang": "true", "chaos": "0,25", "chaos_seed": "7", "refund": "x"}
    )
    assert switched.status_code == 303
    assert kassa.faults.now == Faults(hang=True, chaos=0.25, chaos_seed=7)
    assert kassa.http.post("/admin", data={}).status_code == 303
    assert kassa.faults.now == Faults()
    assert kassa.http.post("/admin", data={"chaos": "much"}).status_code == 422
    form = {"payment_id": payment_id, "roubles": "12,50"}
    assert kassa.http.post("/admin/refunds", data=form).status_code == 303
    assert kassa.show(payment_id)["refunded_amount"]["value"] == "12.50"
    too_much = kassa.http.post("/admin/refunds", data=form | {"roubles": "4500.00"})
    assert too_much.status_code == 422
    assert "Не возвращено" in too_much.text


@pytest.mark.parametrize("path", ["/admin", "/admin/orders", "/admin/faults"])
def test_admin_is_open_to_this_machine_alone(kassa: KassaHarness, path: str) -> None:
    away = {"REMOTE_ADDR": "203.0.113.7"}
    assert kassa.http.get(path, environ_overrides=away).status_code == 403
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert kassa.http.get(path, headers=foreign).status_code == 403
    assert kassa.http.get(path).status_code == 200


def test_settings_name_what_is_missing() -> None:
    with pytest.raises(SettingsError, match="SALDO_ACQUIRER_KASSA_PASSWORD"):
        load_shop_settings({})
    given = {"SALDO_ACQUIRER_KASSA_PASSWORD": "pass-word", "SALDO_URL": "http://127.0.0.1:1/"}
    settings = load_shop_settings(given)
    assert settings.callback_url == "http://127.0.0.1:1/api/v1/acquirer/kassa/callback"
    assert "pass-word" not in repr(settings)
    with pytest.raises(SettingsError, match="SALDO_ACQUIRER_KASSA_URL"):
        load_shop_settings({**given, "SALDO_ACQUIRER_KASSA_URL": "https://api.example"})

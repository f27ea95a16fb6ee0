"""The API of the simulated YooKassa: payments, keys, refunds, lists, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bank_doubles import ASKS_FOR_CODE, DECLINES, PAYS
from kassa_doubles import DAY, HOUR, KassaHarness, new_payment

SUM = {"value": "4500.00", "currency": "RUB"}


def money(value: str) -> dict[str, str]:
    return {"value": value, "currency": "RUB"}


def refused(response: Any) -> tuple[int, str, str]:
    error = response.get_json()
    assert error["type"] == "error"
    return response.status_code, error["code"], error.get("parameter", "")


def test_payment_waits_for_its_payer(kassa: KassaHarness) -> None:
    payment = kassa.create()
    assert payment["status"] == "pending"
    assert payment["paid"] is False
    assert payment["amount"] == SUM
    assert payment["metadata"] == {"order_number": "n1"}
    page = payment["confirmation"]["confirmation_url"]
    assert page == f"http://kassa.example/payment-confirm/card?orderId={payment['id']}"
    assert kassa.show(payment["id"]) == payment


def test_key_makes_repetitions_one_call_for_a_day(kassa: KassaHarness) -> None:
    first = kassa.create("n1", key="k")
    kassa.enter_card(first["id"], PAYS)
    again = kassa.create("n1", key="k")
    assert (again["id"], again["status"]) == (first["id"], "waiting_for_capture")
    other = kassa.call("POST", "payments", new_payment("n2"), key="k")
    assert refused(other) == (400, "invalid_request", "Idempotence-Key")
    kassa.now += DAY
    assert kassa.create("n1", key="k")["id"] != first["id"]


def test_refusal_is_kept_under_its_key(kassa: KassaHarness) -> None:
    payment = kassa.create()
    cancel = f"payments/{payment['id']}/cancel"
    assert kassa.call("POST", cancel, {}, key="k").status_code == 400
    kassa.enter_card(payment["id"], PAYS)
    assert kassa.call("POST", cancel, {}, key="k").status_code == 400
    assert kassa.call("POST", cancel, {}).get_json()["status"] == "canceled"


def test_sum_is_held_and_then_captured(kassa: KassaHarness) -> None:
    payment = kassa.create()
    back = kassa.enter_card(payment["id"], PAYS)
    assert back.headers["Location"] == "http://merchant.example/back?tab=1"
    held = kassa.show(payment["id"])
    assert (held["status"], held["paid"]) == ("waiting_for_capture", True)
    assert held["payment_method"]["card"]["last4"] == "1111"
    assert "captured_at" not in held
    captured = kassa.call("POST", f"payments/{payment['id']}/capture", {}, key="c").get_json()
    assert (captured["status"], captured["amount"]) == ("succeeded", SUM)
    assert captured["captured_at"] == "2026-11-18T11:06:40.000Z"
    assert kassa.call("POST", f"payments/{payment['id']}/capture", {}, key="c").status_code == 200
    again = kassa.call("POST", f"payments/{payment['id']}/capture", {})
    assert refused(again) == (400, "invalid_request", "")


def test_part_of_what_is_held_may_be_captured(kassa: KassaHarness) -> None:
    payment = kassa.create()
    kassa.enter_card(payment["id"], PAYS)
    path = f"payments/{payment['id']}/capture"
    more = kassa.call("POST", path, {"amount": money("4500.01")})
    assert refused(more) == (400, "invalid_request", "amount.value")
    part = kassa.call("POST", path, {"amount": money("4000.00")}).get_json()
    assert (part["status"], part["amount"]) == ("succeeded", money("4000.00"))


def test_one_step_charges_at_once(kassa: KassaHarness) -> None:
    payment = kassa.create(capture=True)
    kassa.enter_card(payment["id"], PAYS)
    assert kassa.show(payment["id"])["status"] == "succeeded"


def test_declined_card_cancels_the_payment(kassa: KassaHarness) -> None:
    payment = kassa.create()
    assert kassa.enter_card(payment["id"], DECLINES).status_code == 303
    shown = kassa.show(payment["id"])
    assert shown["status"] == "canceled"
    assert shown["cancellation_details"] == {
        "party": "payment_network",
        "reason": "general_decline",
    }
    kassa.enter_card(payment["id"], PAYS)
    assert kassa.show(payment["id"])["status"] == "canceled"


def test_third_wrong_code_cancels_the_payment(kassa: KassaHarness) -> None:
    payment = kassa.create()
    to_code = kassa.enter_card(payment["id"], ASKS_FOR_CODE)
    assert to_code.headers["Location"].endswith(f"/payment-confirm/code?orderId={payment['id']}")
    assert [kassa.enter_code(payment["id"], "000000").status_code for _ in range(3)] == [
        422,
        422,
        303,
    ]
    assert kassa.show(payment["id"])["cancellation_details"]["reason"] == "3d_secure_failed"
    right = kassa.create("n2")
    kassa.enter_card(right["id"], ASKS_FOR_CODE)
    assert kassa.enter_code(right["id"], "123456").status_code == 303
    assert kassa.show(right["id"])["status"] == "waiting_for_capture"


def test_only_what_is_held_can_be_canceled(kassa: KassaHarness) -> None:
    payment = kassa.create()
    path = f"payments/{payment['id']}/cancel"
    assert refused(kassa.call("POST", path, {})) == (400, "invalid_request", "")
    kassa.enter_card(payment["id"], PAYS)
    canceled = kassa.call("POST", path, {}).get_json()
    assert (canceled["status"], canceled["paid"]) == ("canceled", False)
    assert canceled["cancellation_details"]["reason"] == "canceled_by_merchant"


def test_time_to_pay_and_time_to_capture_end(kassa: KassaHarness) -> None:
    unpaid, held = kassa.create("n1"), kassa.create("n2")
    kassa.enter_card(held["id"], PAYS)
    kassa.now += HOUR
    reason = kassa.show(unpaid["id"])["cancellation_details"]["reason"]
    assert reason == "expired_on_confirmation"
    assert kassa.show(held["id"])["status"] == "waiting_for_capture"
    kassa.now += 7 * DAY
    assert kassa.show(held["id"])["cancellation_details"]["reason"] == "expired_on_capture"


def paid(kassa: KassaHarness, number: str = "n1") -> str:
    payment_id = str(kassa.create(number, capture=True)["id"])
    kassa.enter_card(payment_id, PAYS)
    return payment_id


def refund(kassa: KassaHarness, payment_id: str, value: str, **more: Any) -> Any:
    body = {"payment_id": payment_id, "amount": money(value), "description": "Возврат"}
    return kassa.call("POST", "refunds", body, **more)


def test_refunds_add_up_to_the_payment_and_no_more(kassa: KassaHarness) -> None:
    payment_id = paid(kassa)
    first = refund(kassa, payment_id, "0.01", key="r1").get_json()
    assert (first["status"], first["payment_id"]) == ("succeeded", payment_id)
    assert refund(kassa, payment_id, "0.01", key="r1").get_json() == first
    assert kassa.show(payment_id)["refunded_amount"] == money("0.01")
    more = refund(kassa, payment_id, "4500.00")
    assert refused(more) == (400, "invalid_request", "amount.value")
    assert refund(kassa, payment_id, "4499.99").status_code == 200
    assert kassa.show(payment_id)["refundable"] is False
    unpaid = refund(kassa, kassa.create("n2")["id"], "1.00")
    assert refused(unpaid) == (400, "invalid_request", "payment_id")


def test_pending_refund_reserves_its_sum(kassa: KassaHarness) -> None:
    payment_id = paid(kassa)
    kassa.switch_on(refund_pending_seconds=60)
    assert refund(kassa, payment_id, "4000.00").get_json()["status"] == "pending"
    assert kassa.show(payment_id)["refunded_amount"] == money("0.00")
    assert refund(kassa, payment_id, "500.01").status_code == 400
    kassa.now += 60_000
    assert kassa.show(payment_id)["refunded_amount"] == money("4000.00")
    listed = kassa.call("GET", f"refunds?payment_id={payment_id}").get_json()
    assert [one["status"] for one in listed["items"]] == ["succeeded"]


def test_list_is_the_newest_first_page_by_page(kassa: KassaHarness) -> None:
    ids = []
    for number in range(5):
        kassa.now += 1000
        ids.append(kassa.create(f"n{number}")["id"])
    seen, cursor = [], ""
    while True:
        page = kassa.call("GET", f"payments?limit=2{cursor}").get_json()
        assert page["type"] == "list"
        seen += [one["id"] for one in page["items"]]
        if "next_cursor" not in page:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ids[::-1]


def test_list_is_filtered_by_instants_and_status(kassa: KassaHarness) -> None:
    early = paid(kassa, "n1")
    kassa.now += 1000
    late = paid(kassa, "n2")
    kassa.create("n3")

    def found(query: str) -> list[str]:
        return [one["id"] for one in kassa.call("GET", f"payments?{query}").get_json()["items"]]

    border = "2026-11-18T11:06:41.000Z"
    assert found(f"captured_at.gte={border}") == [late]
    assert found(f"captured_at.gt={border}") == []
    assert found(f"captured_at.lt={border}") == [early]
    assert found(f"captured_at.lte={border}&status=succeeded") == [late, early]
    assert len(found(f"created_at.gte={border}")) == 2


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("created_at.gte=yesterday", "created_at.gte"),
        ("created_at.gte=2026-11-18T11:06:41", "created_at.gte"),
        ("created_at.ge=2026-11-18T11:06:41Z", "created_at.ge"),
        ("order_number=n1", "order_number"),
    ],
)
def test_unknown_filter_is_refused(kassa: KassaHarness, query: str, parameter: str) -> None:
    assert refused(kassa.call("GET", f"payments?{query}")) == (400, "invalid_request", parameter)


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"amount": money("0.00")}, "amount.value"),
        ({"amount": money("4500")}, "amount.value"),
        ({"amount": money("-1.00")}, "amount.value"),
        ({"amount": {"value": 4500, "currency": "RUB"}}, "amount.value"),
        ({"amount": {"value": "1.00", "currency": "USD"}}, "amount.currency"),
        ({"amount": "4500.00"}, "amount"),
        ({"capture": "false"}, "capture"),
        ({"description": "x" * 129}, "description"),
        ({"metadata": {f"n{place}": "x" for place in range(17)}}, "metadata"),
        ({"metadata": {"n" * 33: "x"}}, "metadata"),
        ({"metadata": {"n": 1}}, "metadata"),
        ({"confirmation": {"type": "qr"}}, "confirmation.type"),
        (
            {"confirmation": {"type": "redirect", "return_url": "javascript:alert()"}},
            "confirmation.return_url",
        ),
    ],
)
def test_payment_that_breaks_the_rules_is_refused(
    kassa: KassaHarness, changes: dict[str, Any], parameter: str
) -> None:
    response = kassa.call("POST", "payments", new_payment(**changes))
    assert refused(response) == (400, "invalid_request", parameter)
    assert kassa.lists.all_payments() == []


def test_call_without_the_right_secret_is_refused(kassa: KassaHarness) -> None:
    for auth in (("saldo", "secret"), ("other", "secret-key"), ("", "")):
        response = kassa.call("POST", "payments", new_payment(), auth=auth)
        assert refused(response) == (401, "invalid_credentials", "")


def test_call_without_a_key_or_a_path_is_refused(kassa: KassaHarness) -> None:
    for key in ("", "k" * 65):
        response = kassa.call("POST", "payments", new_payment(), key=key)
        assert refused(response) == (400, "invalid_request", "Idempotence-Key")
    assert refused(kassa.call("GET", "payments/none")) == (404, "not_found", "")
    assert refused(kassa.call("GET", "orders")) == (404, "not_found", "")
    no_json = kassa.http.post(
        "/v3/payments",
        data=b"{",
        auth=("saldo", "secret-key"),
        headers={"Idempotence-Key": "k"},
    )
    assert refused(no_json) == (400, "invalid_request", "")


def test_page_of_an_unknown_payment_says_so(kassa: KassaHarness) -> None:
    page = kassa.http.get("/payment-confirm/card?orderId=none")
    assert page.status_code == 404
    assert "Такого платежа нет" in page.text


def test_wrong_card_is_asked_for_again_and_never_echoed(kassa: KassaHarness) -> None:
    payment_id = kassa.create()["id"]
    page = kassa.enter_card(payment_id, "4111 1111 1111 1112", cvc="9")
    assert page.status_code == 422
    assert "Номер карты введён с ошибкой" in page.text
    assert "1112" not in page.text
    assert kassa.show(payment_id)["status"] == "pending"


def test_base_url_may_have_a_path(tmp_path: Path) -> None:
    kassa = KassaHarness(tmp_path, prefix="/kassa")
    payment = kassa.create()
    assert kassa.enter_card(payment["id"], PAYS).status_code == 303
    assert kassa.show(payment["id"])["status"] == "waiting_for_capture"
    assert kassa.http.get("/v3/payments").status_code == 404
    kassa.database.close()

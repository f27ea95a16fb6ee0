"""A payment's page says what is known and no more; its receipt waits for the posting."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cabinet_doubles import SETTINGS, CabinetBrowser
from cabinet_person import (
    CabinetPerson,
    main_of,
    payment,
    refund,
    returned,
    settle,
)
from gateway_doubles import THING, Browser, FakeServices

from shared import formats
from shared.config import Settings
from shared.errors import Forbidden, NotFound, Unavailable

PAGE = f"/payments/{THING}"


@pytest.fixture(autouse=True)
def posted(services: FakeServices) -> None:
    settle(services)


def show(services: FakeServices, state: str, **changes: Any) -> None:
    services.answers["payments", "payment"] = payment(state, **changes)


def failed(reason: str) -> dict[str, Any]:
    return {"state": "expired" if reason == "expired" else "failed", "failure": reason}


UNDECIDED = [
    ({"state": "created"}, "Платёж ещё не начат", "Карта не тронута"),
    ({"state": "awaiting_payment"}, "Ждём ответ банка", "страницу можно закрыть, пришлём письмо"),
    (
        {
            "state": "awaiting_payment",
            "outcome": "unknown",
            "next_check_at": "2026-05-14T11:08:00+00:00",
        },
        "Банк пока не ответил",
        "следующая проверка в 14 мая 2026, 14:08",
    ),
    ({"state": "unknown"}, "Банк пока не ответил", "Теперь проверяют сотрудники"),
    (
        {"state": "mismatch", "charged": 45_14},
        "Банк сообщил другую сумму",
        "Заказано 4 514,25 ₽, банк сообщает о 45,14 ₽. Перепроверяем",
    ),
    (
        {"state": "mismatch"},
        "Банк сообщил другую сумму",
        "банк сообщает о другой сумме",
    ),
    ({"state": "captured"}, "Банк подтвердил 4 514,25 ₽", "Зачисляем"),
]


@pytest.mark.parametrize(("changes", "title", "text"), UNDECIDED)
def test_an_undecided_payment_offers_to_check_and_no_second_payment(
    person: CabinetPerson, services: FakeServices, changes: dict[str, Any], title: str, text: str
) -> None:
    show(services, **changes)
    page = person.get(PAGE).text
    assert f"<h1>{title}</h1>".replace(" ", "") in page.replace("\u00a0", "").replace(" ", "")
    assert text in main_of(page)
    assert "Проверить сейчас" in page
    assert f'data-poll="{PAGE}/state"' in page
    assert not re.search(r'href="/pay["?]', page[page.index("<main") : page.index("</main>")])
    for word in ("не прошёл", "отклонил", "Оплачено", "Деньги не списаны"):
        assert word not in main_of(page)


@pytest.mark.parametrize(
    ("changes", "leads"),
    [
        ({"state": "created"}, True),
        ({"state": "awaiting_payment"}, True),
        ({"state": "awaiting_payment", "outcome": "unknown"}, False),
        ({"state": "unknown"}, False),
        ({"state": "mismatch"}, False),
        ({"state": "captured"}, False),
    ],
)
def test_only_a_card_that_may_not_be_charged_leads_back_to_the_bank(
    person: CabinetPerson, services: FakeServices, changes: dict[str, Any], leads: bool
) -> None:
    show(services, **changes)
    assert (f'href="{PAGE}/go"' in person.get(PAGE).text) is leads


@pytest.mark.parametrize(
    ("reason", "title", "text"),
    [
        ("declined", "Банк отклонил платёж", "Он сообщил, что деньги не списаны"),
        ("expired", "Время на оплату вышло", "По данным банка, деньги не списаны"),
        ("refused_by_acquirer", "Банк не принял платёж", "деньги не списаны"),
        ("not_registered", "Платёж не начался", "деньги не списаны"),
        ("form_lost", "Платёж не начался", "деньги не списаны"),
        ("given_back", "Банк вернул деньги", "Деньги вернулись на карту"),
        ("replaced", "Вместо этого платежа начат другой", "деньги по этому не списаны"),
        ("of_tomorrow", "Платёж не прошёл", "не списаны или уже возвращены"),
    ],
)
def test_a_failed_payment_says_why_and_can_be_begun_anew(
    person: CabinetPerson, services: FakeServices, reason: str, title: str, text: str
) -> None:
    show(services, **failed(reason))
    page = person.get(PAGE).text
    assert title in main_of(page)
    assert text in main_of(page)
    assert 'href="/pay?account=0001"' in page
    assert "data-poll" not in page


def test_a_posted_payment_says_what_is_left(person: CabinetPerson, services: FakeServices) -> None:
    show(services, "completed")
    page = main_of(person.get(PAGE).text)
    assert "Оплачено 4 514,25 ₽" in page
    assert "Остаток долга: нет." in page
    assert "411111**1111" in page
    assert "14 мая 2026, 12:31" in page
    services.answers["ledger", "balances"] = Unavailable("service_unavailable", "x")
    assert "Остаток долга" not in main_of(person.get(PAGE).text)


def test_the_return_from_the_bank_asks_it_and_ends_at_the_stable_address(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, "awaiting_payment")
    back = person.get(f"{PAGE}?orderId=77")
    assert (back.status_code, back.headers["Location"]) == (303, PAGE)
    [asked] = [given for _, method, given in services.calls if method == "payment"]
    assert asked["refresh"] is True
    person.get(PAGE)
    reads = [given for _, method, given in services.calls if method == "payment"]
    assert reads[-1]["refresh"] is False


def test_the_return_survives_a_service_that_does_not_answer(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["payments", "payment"] = Unavailable("service_unavailable", "x")
    assert person.get(f"{PAGE}?orderId=77").headers["Location"] == PAGE


def test_whoever_is_signed_out_logs_in_first(person: CabinetPerson, services: FakeServices) -> None:
    services.answers["identity", "authenticate"] = Forbidden("not_signed_in", "x")
    back = person.get(f"{PAGE}?orderId=77")
    assert back.headers["Location"] == f"/?next=%2Fpayments%2F{THING}%3ForderId%3D77"


def test_checking_now_asks_the_bank(person: CabinetPerson, services: FakeServices) -> None:
    show(services, "awaiting_payment")
    checked = person.post(f"{PAGE}/check", {})
    assert (checked.status_code, checked.headers["Location"]) == (303, PAGE)
    assert "__Host-notice" in checked.headers["Set-Cookie"]
    [asked] = [given for _, method, given in services.calls if method == "payment"]
    assert asked["refresh"] is True
    services.answers["payments", "payment"] = Unavailable("service_unavailable", "x")
    assert person.post(f"{PAGE}/check", {}).headers["Location"] == PAGE


def test_the_script_learns_of_a_change_by_the_mark(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, "awaiting_payment")
    mark = re.search(r'data-state="([^"]+)"', person.get(PAGE).text)
    assert mark
    assert person.get(f"{PAGE}/state").json["state"] == mark[1]
    show(services, "completed")
    changed = person.get(f"{PAGE}/state").json
    assert changed["state"] != mark[1]
    assert changed["text"].startswith("Оплачено 4\u00a0514,25\u00a0₽, 14\u00a0мая.")


def test_another_persons_payment_is_a_missing_page(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["payments", "payment"] = NotFound("payment_not_found", "x")
    for path in (PAGE, f"{PAGE}/state", f"{PAGE}/receipt"):
        assert person.get(path).status_code == 404


def test_the_page_of_a_payment_shows_what_it_has_settled(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, "completed")
    words = main_of(person.get(PAGE).text)
    assert "Отопление апрель 2026 4 000,00 ₽" in words
    assert "Вперёд зачтётся в следующих начислениях 100,00 ₽" in words
    assert "Пени 14,25 ₽" in words
    services.answers["ledger", "postings_of_payments"] = Unavailable("service_unavailable", "x")
    assert "Услуги 4 500,00 ₽" in main_of(person.get(PAGE).text)


def test_many_lines_are_folded_by_account_and_open_on_one_address(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, "completed")
    posting = services.answers["ledger", "payment_postings"]["postings"][0]
    posting["allocation"] = [
        {"period": f"2025-{month:02d}", "service": "heating", "name": "Отопление", "amount": 1_00}
        for month in range(1, 13)
    ]
    row = re.compile(r'<details class="opening"( open)?>\s*<summary>ЛС')
    assert row.findall(person.get(f"{PAGE}/receipt").text) == [""]
    assert row.findall(person.get(f"{PAGE}/receipt?open=all").text) == [" open"]


def test_opening_all_rows_of_a_payment_does_not_ask_the_bank(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, "completed")
    assert person.get(f"{PAGE}?open=all").status_code == 200
    assert {given["refresh"] for _, method, given in services.calls if method == "payment"} == {
        False
    }


@pytest.mark.parametrize("state", ["unknown", "mismatch"])
def test_a_payment_that_staff_look_at_has_a_case_number(
    person: CabinetPerson, services: FakeServices, state: str
) -> None:
    show(services, state)
    page = person.get(PAGE).text
    assert f"Номер обращения: {THING[:8]}" in main_of(page)
    link = re.search(r'href="(/questions/new\?[^"]+)"', page)
    assert link
    assert f"+{THING[:8]}" in link[1]


def test_another_sum_of_the_bank_goes_where_the_operator_sends_it(
    cabinet_of: Callable[[Settings], CabinetBrowser], services: FakeServices
) -> None:
    show(services, "mismatch", charged=45_14)
    for handling, promise in (
        ("return", "вернём её полностью, если нет — зачтём"),
        ("staff", "Разбираются сотрудники: деньги зачтутся или вернутся"),
    ):
        cabinet = cabinet_of(replace(SETTINGS, payments_mismatch=handling))
        cabinet.sign_in()
        text = cabinet.get(PAGE).text
        assert promise in text
        assert "Не платите второй раз" in text


def test_another_sum_that_is_being_returned_is_said_to_be_on_its_way(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, "mismatch", charged=45_14, refunds=[refund(45_14, "requested")])
    words = main_of(person.get(PAGE).text)
    assert "Возврат 45,14 ₽ запрошен у банка, ждём его ответа. Не платите второй раз." in words
    assert "Перепроверяем" not in words


@pytest.mark.parametrize(
    ("amount", "title", "text"),
    [
        (1_000_00, "Возвращено 1 000,00 ₽ из 4 514,25 ₽, 20 мая", "Остальное зачислено"),
        (4_514_25, "Возвращено 4 514,25 ₽, 20 мая", "когда они будут видны, скажет банк карты"),
    ],
)
def test_money_that_went_back_is_said_by_sum_day_and_account(
    person: CabinetPerson, services: FakeServices, amount: int, title: str, text: str
) -> None:
    services.answers["payments", "payment"] = returned(amount)
    page = person.get(PAGE).text
    words = main_of(page)
    assert title in words
    assert text in words
    sum_of = formats.roubles(amount).replace("\u00a0", " ")
    assert f"Возвращено на карту {sum_of} 20 мая 2026, 13:31" in words
    assert f"Возвращено на карту −{sum_of}" in words
    assert "data-poll" not in page
    assert ('href="/pay?account=0001"' in page) is (amount == 4_514_25)
    receipt = main_of(person.get(f"{PAGE}/receipt").text)
    assert f"Возвраты Возвращено на карту, 20 мая 2026, 13:31 Лицевой счёт Сумма 0001 {sum_of}" in (
        receipt
    )


def test_a_refund_under_way_is_no_returned_money(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, "completed", refunds=[refund(state="requested")])
    words = main_of(person.get(PAGE).text)
    assert "Оплачено 4 514,25 ₽" in words
    assert "Возврат 1 000,00 ₽ запрошен у банка, ждём его ответа" in words
    assert "Возвращено" not in words
    show(services, "completed", refunds=[refund(state="refused")])
    words = main_of(person.get(PAGE).text)
    assert "Банк не выполнил возврат 1 000,00 ₽" in words
    assert "запрошен" not in words


def test_what_the_bank_returned_by_itself_is_said_to_be_its_deed(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["payments", "payment"] = returned(refunds=[refund(cause="bank")])
    assert "Банк вернул на карту сам 1 000,00 ₽" in main_of(person.get(PAGE).text)


def test_money_that_went_back_before_the_posting_has_no_receipt_yet(
    person: CabinetPerson, services: FakeServices
) -> None:
    early = returned()
    early["lines"][0]["posted"] = False
    services.answers["payments", "payment"] = early
    page = person.get(PAGE).text
    assert "Остальное зачисляем" in main_of(page)
    assert "data-poll" in page
    assert person.get(f"{PAGE}/receipt").status_code == 409


def test_a_line_that_was_moved_names_both_accounts(
    person: CabinetPerson, services: FakeServices
) -> None:
    moved = payment()
    moved["lines"][0]["moved_to"] = "0007"
    services.answers["payments", "payment"] = moved
    words = main_of(person.get(PAGE).text)
    assert "Перенесён со счёта 0001 на счёт 0007" in words
    assert "Перенесён на счёт 0007" in words


def test_the_script_learns_of_a_refund_by_the_mark(
    person: CabinetPerson, services: FakeServices
) -> None:
    marks = set()
    for refunds in ([], [refund(state="requested")], [refund(state="refused")]):
        show(services, "completed", refunds=refunds)
        marks.add(person.get(f"{PAGE}/state").json["state"])
    assert len(marks) == 3


def test_the_receipt_has_words_parts_and_proof(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, "completed")
    page = person.get(f"{PAGE}/receipt").text
    words = main_of(page)
    assert "Четыре тысячи пятьсот четырнадцать рублей 25 копеек" in words
    assert "411111**1111" in words
    assert "Отопление апрель 2026 4 000,00 ₽" in words
    assert "Запись 7 в журнале" in words
    assert "saldo-inclusion-proof-v1" in words
    assert 'href="/verify"' in page
    assert 'aria-label="QR-код ведёт на страницу' in page


def test_a_receipt_without_a_seal_yet_says_when(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, "completed")
    services.answers["ledger", "payment_proofs"] = {"proofs": [{"account": "0001", "proof": None}]}
    assert "через минуту" in main_of(person.get(f"{PAGE}/receipt").text)


@pytest.mark.parametrize(
    ("state", "title"),
    [
        ("unknown", "Квитанция ещё готовится"),
        ("captured", "Квитанция ещё готовится"),
        ("awaiting_payment", "Квитанция ещё готовится"),
        ("failed", "Квитанции нет"),
    ],
)
def test_a_receipt_waits_for_the_posting(
    person: CabinetPerson, services: FakeServices, state: str, title: str
) -> None:
    show(services, state)
    page = person.get(f"{PAGE}/receipt")
    assert page.status_code == 409
    assert title in main_of(page.text)
    assert f'href="{PAGE}"' in page.text


def test_the_payment_of_another_person_does_not_exist_on_the_way_back_either(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["payments", "payment"] = NotFound("payment_not_found", "x")
    assert person.get(f"{PAGE}?orderId=1").status_code == 404
    assert person.post(f"{PAGE}/check", {}).status_code == 404


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/receipt"])
@pytest.mark.parametrize("shown", [payment(), returned(), returned(4_514_25)])
def test_the_pages_speak_english(
    browser: Browser, services: FakeServices, shown: dict[str, Any], path: str
) -> None:
    services.answers["payments", "payment"] = shown
    page = main_of(CabinetPerson(browser, language="en").get(path).text)
    assert not re.search(r"[а-яё]", page.replace("Отопление", ""), re.IGNORECASE)


@pytest.mark.parametrize("state", ["created", "awaiting_payment", "unknown", "mismatch", "failed"])
def test_every_outlook_speaks_english(browser: Browser, services: FakeServices, state: str) -> None:
    show(services, state)
    page = main_of(CabinetPerson(browser, language="en").get(PAGE).text)
    assert not re.search(r"[а-яё]", page, re.IGNORECASE)

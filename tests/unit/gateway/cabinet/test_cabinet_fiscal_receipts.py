"""The page of a payment's fiscal receipts says what the cash register has said, and no more."""

from __future__ import annotations

from typing import Any

from cabinet_person import CabinetPerson, main_of
from gateway_doubles import THING, FakeServices
from gateway_samples import FISCAL_RECEIPT, FISCAL_RECEIPTS

from shared.errors import NotFound

PAGE = f"/payments/{THING}/fiscal"


def show(services: FakeServices, *receipts: dict[str, Any], **changes: Any) -> None:
    services.answers["payments", "fiscal_receipts"] = {
        **FISCAL_RECEIPTS,
        "receipts": list(receipts),
        **changes,
    }


def unregistered(state: str, **changes: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("issued_at", "drive", "document", "sign", "register", "url", "code"))
    return {**FISCAL_RECEIPT, **empty, "state": state, **changes}


def test_a_registered_receipt_has_its_numbers_and_its_code(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, FISCAL_RECEIPT)
    page = person.get(PAGE).text
    text = main_of(page)
    for expected in ("Приход", "9960440300000001", "2938475610", "НДС", "22 %", "без НДС", "ИНН"):
        assert expected in text
    assert FISCAL_RECEIPT["code"].replace("&", "&amp;") in page
    assert "<svg" in page


def test_a_receipt_that_is_not_registered_promises_no_number(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, unregistered("requested"))
    waiting = main_of(person.get(PAGE).text)
    assert "ещё не зарегистрировала" in waiting
    show(services, unregistered("refused"))
    refused = main_of(person.get(PAGE).text)
    assert "не приняла чек" in refused
    for text in (waiting, refused):
        assert "ФПД" not in text
        assert "None" not in text


def test_without_a_registrar_the_page_says_only_that_there_is_no_receipt(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, offered=False)
    text = main_of(person.get(PAGE).text)
    assert "чека здесь нет" in text
    assert "оформляется" not in text


def test_a_receipt_of_earlier_days_is_shown_where_no_more_are_made(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, FISCAL_RECEIPT, offered=False)
    assert "2938475610" in main_of(person.get(PAGE).text)


def test_what_went_back_has_a_receipt_of_its_own(
    person: CabinetPerson, services: FakeServices
) -> None:
    back = unregistered("requested", kind="income_return", kind_code=2, refund_id=THING)
    show(services, FISCAL_RECEIPT, back)
    text = main_of(person.get(PAGE).text)
    assert "Кассовые чеки" in text
    assert "Возврат прихода" in text


def test_receipts_of_another_person_are_not_found(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["payments", "fiscal_receipts"] = NotFound("payment_not_found", "None.")
    assert person.get(PAGE).status_code == 404

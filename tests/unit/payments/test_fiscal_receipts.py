"""What a fiscal receipt says: positions that add up, of a payment and of what went back."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.events import Line, RefundLine
from services.payments.fiscal.domain import (
    FiscalReceipt,
    FiscalReceiptRegistered,
    FiscalReceiptRequested,
    external_id_of,
)
from services.payments.fiscal.receipts import (
    Item,
    ReceiptKind,
    Seller,
    Subject,
    code_text,
    paid_items,
    positions,
    returned_items,
)
from shared.config import ConfigurationError, load_settings
from shared.errors import Conflict
from shared.fiscal_settings import FiscalSettings

ENVIRONMENT = {
    "SALDO_FISCAL": "atol",
    "SALDO_FISCAL_URL": "https://registrar.example",
    "SALDO_FISCAL_USER": "saldo",
    "SALDO_FISCAL_PASSWORD": "registrar-password",
    "SALDO_FISCAL_GROUP": "g1",
    "SALDO_FISCAL_INN": "6200098765",
    "SALDO_FISCAL_SELLER": "ООО «Примерский расчётный центр»",
    "SALDO_FISCAL_EMAIL": "receipts@saldo.example",
}


def total(items: tuple[Item, ...]) -> int:
    return sum(item.amount for item in items)


def test_an_account_has_a_position_for_services_and_one_for_its_penalty() -> None:
    items = paid_items([Line("0001", 450_000, 1_425), Line("0002", 0, 700)])
    printed = positions(items, "vat22", "advance")
    assert [(one.name, one.amount, one.vat, one.subject) for one in printed] == [
        ("Оплата жилищно-коммунальных услуг, лицевой счёт 0001", 450_000, "vat22", Subject.SERVICE),
        ("Пени, лицевой счёт 0001", 1_425, "none", Subject.PAYMENT),
        ("Пени, лицевой счёт 0002", 700, "none", Subject.PAYMENT),
    ]  # fmt: skip


def test_a_part_that_goes_back_is_split_as_the_line_was_paid() -> None:
    paid = paid_items([Line("0001", 9_000, 1_000), Line("0002", 500, 0)])
    first = returned_items(paid, (), [RefundLine("0001", 5_001)], 5_001)
    assert first == (Item("0001", False, 4_501), Item("0001", True, 500))
    left = [RefundLine("0001", 4_999), RefundLine("0002", 500)]
    rest = returned_items(paid, first, left, 5_499)
    assert rest == (Item("0001", False, 4_499), Item("0001", True, 500), Item("0002", False, 500))


def test_money_of_an_account_that_was_not_paid_goes_back_as_services() -> None:
    lines = [RefundLine("0009", 100)]
    assert returned_items((), (), lines, 100) == (Item("0009", False, 100),)


def test_what_no_line_names_is_taken_from_the_accounts_in_their_order() -> None:
    paid = paid_items([Line("0001", 100, 0), Line("0002", 100, 0)])
    first = returned_items(paid, (), [], 130)
    assert first == (Item("0001", False, 100), Item("0002", False, 30))
    assert returned_items(paid, first, [], 100) == (Item("0002", False, 70),)
    assert returned_items(paid, paid, [], 5) == ()


AMOUNTS = st.integers(min_value=0, max_value=10_000_000)


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS).filter(any), min_size=1, max_size=10))
def test_positions_of_any_split_add_up_to_it(split: list[tuple[int, int]]) -> None:
    lines = [Line(f"{number:04}", *sums) for number, sums in enumerate(split)]
    items = paid_items(lines)
    printed = positions(items, "none", "full_payment")
    assert sum(position.amount for position in printed) == sum(line.total for line in lines)
    assert all(position.amount > 0 for position in printed)


@given(
    st.tuples(AMOUNTS, AMOUNTS).filter(any),
    st.lists(st.integers(min_value=1, max_value=5_000_000), max_size=6),
)
def test_parts_that_go_back_add_up_and_the_last_one_gives_back_just_what_was_paid(
    sums: tuple[int, int], wanted: list[int]
) -> None:
    line = Line("0001", *sums)
    paid, left = paid_items([line]), line.total
    back: list[Item] = []
    for part in [*wanted, line.total]:
        amount = min(part, left)
        if not amount:
            break
        items = returned_items(paid, back, [RefundLine("0001", amount)], amount)
        assert total(items) == amount
        back += items
        left -= amount
    assert left == 0
    for is_penalty, expected in ((False, line.amount), (True, line.penalty)):
        assert sum(item.amount for item in back if item.penalty is is_penalty) == expected


def test_the_code_of_a_receipt_is_that_of_the_tax_service() -> None:
    at = datetime(2026, 11, 28, 22, 5, 59, tzinfo=UTC)
    text = code_text(ReceiptKind.INCOME_RETURN, 451_405, at, "9960440300000001", "17", "29384")
    assert text == "t=20261128T2205&s=4514.05&fn=9960440300000001&i=17&fp=29384&n=2"


def requested() -> FiscalReceiptRequested:
    return FiscalReceiptRequested(
        payment_id=uuid4(),
        refund_id=None,
        kind=ReceiptKind.INCOME,
        items=(Item("0001", False, 100),),
        total=100,
        seller=Seller(name="ООО", inn="6200098765", place="https://saldo.example"),
        taxation="osn",
        vat="none",
        method="full_payment",
    )


def registered() -> FiscalReceiptRegistered:
    at = datetime(2026, 11, 28, tzinfo=UTC)
    return FiscalReceiptRegistered(
        drive="1", document="2", sign="3", register="4", issued_at=at, url=""
    )


def test_a_receipt_is_requested_and_registered_once() -> None:
    receipt = FiscalReceipt(uuid4())
    for _ in range(2):
        receipt.request(requested())
    for _ in range(2):
        receipt.record_registration(registered())
    receipt.record_refusal("too late")
    assert [type(event).__name__ for event in receipt.pending] == [
        "FiscalReceiptRequested",
        "FiscalReceiptRegistered",
    ]


def test_only_a_refused_receipt_is_sent_again_and_under_another_id() -> None:
    receipt = FiscalReceipt(uuid4())
    receipt.request(requested())
    with pytest.raises(Conflict) as refused:
        receipt.retry("why")
    assert refused.value.code == "fiscal_receipt_not_refused"
    receipt.record_refusal("the shift is over")
    receipt.retry("a new shift")
    ids = [external_id_of(receipt.id, attempt) for attempt in (1, receipt.attempt)]
    assert ids == [receipt.id.hex, f"{receipt.id.hex}-2"]
    receipt.record_registration(registered())
    assert isinstance(receipt.pending[-1], FiscalReceiptRegistered)


def test_without_a_registrar_there_are_no_settings() -> None:
    assert load_settings({}).fiscal is None


def test_settings_of_a_registrar_have_defaults() -> None:
    settings = load_settings(ENVIRONMENT).fiscal
    assert isinstance(settings, FiscalSettings)
    assert (settings.taxation, settings.vat, settings.method) == ("osn", "none", "full_payment")
    assert settings.place == "http://127.0.0.1:18080"
    assert "registrar-password" not in repr(settings)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"SALDO_FISCAL_INN": "62"}, "SALDO_FISCAL_INN"),
        ({"SALDO_FISCAL_EMAIL": ""}, "SALDO_FISCAL_EMAIL"),
        ({"SALDO_FISCAL_URL": "registrar.example"}, "SALDO_FISCAL_URL"),
        ({"SALDO_FISCAL_VAT": "18"}, "SALDO_FISCAL_VAT"),
        ({"SALDO_FISCAL_TAXATION": "envd"}, "SALDO_FISCAL_TAXATION"),
        ({"SALDO_FISCAL_METHOD": "later"}, "SALDO_FISCAL_METHOD"),
    ],
)
def test_settings_that_cannot_be_used_are_named(changed: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        load_settings(ENVIRONMENT | changed)

"""Statements of 1C: whose documents count, and which account a purpose names."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from register_doubles import (
    OURS,
    BankHarness,
    document,
    payments_of,
    refused_of,
    rows_of,
    statement,
)

from services.payments.registers.account_numbers import account_in
from services.payments.registers.rows import Found, Payment, Refused, Skipped, Stated
from shared.errors import ValidationFailed


@pytest.fixture
def bank(tmp_path: Path) -> BankHarness:
    return BankHarness(tmp_path)


@pytest.mark.parametrize("encoding", ["cp1251", "utf-8", "utf-8-sig", "cp866"])
def test_an_incoming_document_is_a_payment_of_the_account_in_its_purpose(
    bank: BankHarness, encoding: str
) -> None:
    [payment] = payments_of(bank.write(statement(document()), encoding=encoding))
    assert (payment.account, payment.suspense) == ("0100000001", "")
    assert (payment.amount, payment.fee, payment.document) == (450_000, 0, "12")
    assert payment.paid_on == date(2026, 11, 21)
    assert payment.bank == "049999777"


def test_the_day_of_the_document_counts_where_no_arrival_is_written(bank: BankHarness) -> None:
    [payment] = payments_of(bank.write(statement(document(ДатаПоступило=""))))
    assert payment.paid_on == date(2026, 11, 20)


@pytest.mark.parametrize(
    "changes",
    [
        {"ПлательщикСчет": OURS, "ПолучательСчет": "40702810100000000009"},
        {"ПолучательСчет": "40702810100000000009"},
    ],
)
def test_money_that_does_not_come_to_us_is_skipped(
    bank: BankHarness, changes: dict[str, str]
) -> None:
    assert rows_of(bank.write(statement(document(**changes)))) == [Skipped(row=8)]


def test_a_transfer_between_our_accounts_is_no_payment(bank: BankHarness) -> None:
    own = document(ПлательщикСчет="40702810100000000009")
    path = bank.write(statement(own, received="4500.00"))
    ours = [OURS, "40702810100000000009"]
    skipped, stated = rows_of(path, settlement_accounts=ours)
    assert skipped == Skipped(row=9, amount=450_000)
    assert stated == Stated(amount=450_000)


def test_a_statement_of_somebody_elses_account_is_refused(bank: BankHarness) -> None:
    path = bank.write(statement(document()))
    with pytest.raises(ValidationFailed, match="of another settlement account"):
        rows_of(path, settlement_accounts=["40702810100000000009"])


def test_the_same_document_number_of_two_payers_is_two_payments(bank: BankHarness) -> None:
    other = document(ПлательщикСчет="40817810000000000002")
    first, second = payments_of(bank.write(statement(document(), other)))
    assert first.payment_id != second.payment_id
    [again] = payments_of(bank.write(statement(document(Плательщик="ФЕДОРОВА А.П.")), "b.txt"))
    assert again.payment_id == first.payment_id


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Сумма": "0.00"}, "amount: 0,00 is no payment"),
        ({"Сумма": "-1"}, "amount: -1,00 is no payment"),
        ({"Сумма": "много"}, "amount: the field is no sum"),
        ({"ДатаПоступило": "29.11.2026"}, "is in the future"),
        ({"ДатаПоступило": "вчера"}, "date: the field is no day"),
        ({"Номер": ""}, "document: is empty"),
        ({"НазначениеПлатежа": "x" * 4_001}, "too many or too long values"),
    ],
)
def test_a_wrong_document_is_refused_alone(
    bank: BankHarness, changes: dict[str, str], reason: str
) -> None:
    path = bank.write(statement(document("1", **changes), document("2")))
    [refused] = refused_of(path)
    assert reason in refused.reason
    assert [payment.document for payment in payments_of(path)] == ["2"]


def test_a_document_with_two_sums_is_refused(bank: BankHarness) -> None:
    text = statement(document()).replace("Сумма=4500.00", "Сумма=4500.00\r\nСумма=45.00")
    assert "has Сумма twice" in refused_of(bank.write(text))[0].reason


def test_a_document_inside_another_is_not_lost(bank: BankHarness) -> None:
    text = statement(document("1"), document("2")).replace("КонецДокумента\r\n", "", 1)
    path = bank.write(text)
    assert refused_of(path)[0].reason == "the document is not closed"
    assert [payment.document for payment in payments_of(path)] == ["2"]


@pytest.mark.parametrize("cut", ["КонецФайла", "КонецДокумента"])
def test_a_statement_that_breaks_off_is_refused_whole(bank: BankHarness, cut: str) -> None:
    text = statement(document())
    with pytest.raises(ValidationFailed, match="breaks off"):
        rows_of(bank.write(text[: text.rindex(cut)]))


@pytest.mark.parametrize(
    ("purpose", "account"),
    [
        ("л/с 0100000001", "0100000001"),
        ("ЖКУ ЛС0100000001;", "0100000001"),
        ("ЛС:0100000001;ПЕРИОД:1026", "0100000001"),
        ("Л\\С №0100000001", "0100000001"),
        ("лиц. счет № 0100000001", "0100000001"),
        ("Лицевой счёт 0100000001 за 10.2026", "0100000001"),
        ("по лицевому счету 0100000001, НДС не облагается", "0100000001"),
        ("номер лицевого счёта: 0100000001.", "0100000001"),
        ("л.сч. 0100000001", "0100000001"),
        ("ЕЛС 0100000001", "0100000001"),
        ("PersAcc=0100000001|PaymPeriod=102026", "0100000001"),
        ("л/с 0100000001 (л/с 0100000001)", "0100000001"),
    ],
)
def test_a_labelled_number_is_the_account(purpose: str, account: str) -> None:
    assert account_in(purpose) == (account, "")


@pytest.mark.parametrize(
    ("purpose", "why"),
    [
        ("", "no_account"),
        ("Оплата ЖКУ", "no_account"),
        ("0100000001", "no_account"),
        ("договор 0100000001 от 01.11.2026", "no_account"),
        ("р/с 40702810300000001001", "no_account"),
        ("ЕЛС 50АД000001", "no_account"),
        ("л/с 01000-00001", "no_account"),
        ("л/с 0100000001-2", "no_account"),
        ("л/с 010000000100000000001", "no_account"),
        ("ПУЛС 0100000001", "no_account"),
        ("л/с 0100000001, л/с 0100000002", "ambiguous"),
        ("л/с 0100000001, 0100000002", "ambiguous"),
        ("л/с 0100000001 и 0100000002", "ambiguous"),
        ("л/с 0100000001 ЕЛС 0200000001", "ambiguous"),
        ("По реестру № 5 от 21.11.2026, 25 платежей", "register_transfer"),
        ("Перевод по РЕЕСТРУ, л/с 0100000001", "register_transfer"),
    ],
)
def test_a_purpose_without_one_clear_account_goes_to_staff(purpose: str, why: str) -> None:
    assert account_in(purpose) == ("", why)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_bytes_come_nothing_else_happens_than_refusals(
    bank: BankHarness, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311
    content = bytearray(statement(*(document(str(n)) for n in range(20))).encode("cp1251"))
    for _ in range(30):
        place = chance.randrange(25, len(content))
        content[place : place + chance.randrange(6)] = bytes(
            chance.randrange(1, 256) for _ in range(chance.randrange(4))
        )
    rows: list[Found] = []
    with suppress(ValidationFailed):
        rows += rows_of(bank.write(bytes(content)))
    assert {type(row) for row in rows} <= {Payment, Refused, Skipped, Stated}
    assert all(row.amount > 0 for row in rows if isinstance(row, Payment))

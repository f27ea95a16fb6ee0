"""Text registers of banks: layouts, encodings, totals, and rows that are refused."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import pytest
from register_doubles import DAYS, BankHarness, payments_of, refused_of, rows_of

from services.payments.registers.fields import LARGEST
from services.payments.registers.layouts import named_layout
from services.payments.registers.rows import Payment, Refused, Stated
from shared.errors import ValidationFailed

EXAMPLE = Path(__file__).parents[4] / "deploy" / "demo" / "bank_register.txt"
PLAIN = "21/11/2026;4500,00;45,00;0100000001;777"
SBER = (
    "21-11-2026;12-10-15;9038;0001;A1B2C3;0100000001;ФЁДОРОВА А. П.;г. Примерск, д. 4;1026;"
    "4500,00;4455,00;45,00\r\n=1;4500,00;4455,00;45,00;123456;22-11-2026\r\n"
)


@pytest.fixture
def bank(tmp_path: Path) -> BankHarness:
    return BankHarness(tmp_path)


@pytest.mark.parametrize("encoding", ["cp1251", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_register_with_a_header_in_any_order(bank: BankHarness, encoding: str, end: str) -> None:
    text = end.join(
        [
            "№ операции;Плательщик;Лицевой счёт;Дата платежа;Сумма платежа, руб.;Комиссия банка",
            "777;Фёдорова Алёна;0100000001;21/11/2026;4 500,00;45,00",
            "",
        ]
    )
    [payment] = payments_of(bank.write(text, encoding=encoding))
    assert (payment.account, payment.document) == ("0100000001", "777")
    assert (payment.amount, payment.fee, payment.paid_on) == (450_000, 4_500, date(2026, 11, 21))


@pytest.mark.parametrize(
    "line",
    [
        PLAIN,
        PLAIN + ";",
        "21.11.2026;4500.00;45.00;0100000001;777",
        "2026-11-21;4\u00a0500,00;45;0100000001;777",
        "21/11/2026 09:15:03; 4 500,0 ;45,00; 0100000001 ; 777 ",
    ],
)
def test_every_way_to_write_a_row_is_the_same_payment(bank: BankHarness, line: str) -> None:
    written = bank.write(line)
    [plain] = payments_of(bank.write(PLAIN, "plain.txt"))
    assert payments_of(written) == [plain]


def test_layouts_are_told_by_their_fields(bank: BankHarness) -> None:
    payment, stated = rows_of(bank.write(SBER))
    assert isinstance(payment, Payment)
    assert (payment.bank, payment.document, payment.account) == ("sber", "A1B2C3", "0100000001")
    assert (payment.amount, payment.fee) == (450_000, 4_500)
    assert stated == Stated(rows=1, amount=450_000, fee=4_500)
    four = payments_of(bank.write("21/11/2026;4500,00;45,00;0100000001"))
    assert [(one.bank, one.document) for one in four] == [("bank", "")]


def test_an_operators_layout_names_the_columns(bank: BankHarness, tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text('bank: примбанк\ncolumns: [document, "-", account, amount, date]\n', "utf-8")
    layout = named_layout(str(file))
    [payment] = payments_of(
        bank.write("9;Фёдорова;0100000001;10,50;21.11.2026"), layout=layout, bank=""
    )
    assert (payment.bank, payment.document, payment.amount) == ("примбанк", "9", 1_050)
    assert payments_of(bank.write(PLAIN), layout=named_layout("standard"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("columns: [date, amount]", "lacks account"),
        ("columns: [date, amount, account, account]", "has a column twice: account"),
        ("columns: [date, amount, account, payer]", "has unknown columns: payer"),
        ("columns: 5", "Expected `array`"),
        ("columns: [date, amount, account]\nspare: 1", "unknown field"),
    ],
)
def test_a_layout_that_cannot_be_used_says_why(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "layout.yaml"
    file.write_text(text)
    with pytest.raises(ValidationFailed, match=why):
        named_layout(str(file))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("31/02/2026;1,00;0;0100000001;1", "date: '31/02/2026' is no day"),
        ("11/21/2026;1,00;0;0100000001;1", "date: '11/21/2026' is no day"),
        ("29/11/2026;1,00;0;0100000001;1", "date: 2026-11-29 is in the future"),
        ("31/12/2023;1,00;0;0100000001;1", "date: 2023-12-31 is before 2024-01-01"),
        ("21/11/2026;0,00;0;0100000001;1", "amount: 0,00 is no payment"),
        ("21/11/2026;-5,00;0;0100000001;1", "amount: -5,00 is no payment"),
        ("21/11/2026;100000000000,00;0;0100000001;1", "is more than one payment can be"),
        ("21/11/2026;10000000000000,00;0;0100000001;1", "no sum in roubles, or too large"),
        ("21/11/2026;1,005;0;0100000001;1", "no sum in roubles"),
        ("21/11/2026;1,00;1,01;0100000001;1", "fee: 1,01 is not from zero up to the sum"),
        ("21/11/2026;1,00;-0,01;0100000001;1", "fee: -0,01 is not from zero"),
        ("21/11/2026;;0;0100000001;1", "amount: is empty"),
        ("21/11/2026;1,00;0;0100000001", "the row has 4 fields, the layout 5"),
        ("21/11/2026;1,00;0;0100000001;1;2", "the row has 6 fields, the layout 5"),
        ('21/11/2026;1,00;0;"0100000001;1', "a quotation mark is not closed"),
        (f"21/11/2026;1,00;0;0100000001;{'9' * 65}", "document: is longer than 64"),
        ("=HYPERLINK(1);1,00;0;0100000001;1", "date: the field is no day"),
        ("=cmd|' /C calc'!A0", "the row has 1 fields"),
    ],
)
def test_a_wrong_row_is_refused_alone_with_its_reason(
    bank: BankHarness, line: str, reason: str
) -> None:
    path = bank.write("\r\n".join([PLAIN, line, PLAIN.replace("777", "778")]))
    [refused] = refused_of(path)
    assert reason in refused.reason
    assert refused.row == 2
    assert [payment.row for payment in payments_of(path)] == [1, 3]


def test_a_reason_repeats_nothing_that_may_be_a_name(bank: BankHarness) -> None:
    path = bank.write(f"{PLAIN}\n\nФедорова;Алена;Петровна;д. 4;кв. 1\n")
    [refused] = refused_of(path)
    assert not {"Федорова", "Алена", "Петровна"} & set(refused.reason.split())


def test_a_broken_byte_costs_its_row_alone(bank: BankHarness) -> None:
    lines = ["21/11/2026;1,00;0;0100000001;Ё1".encode(), b"21/11/2026;1,00;0;0100000001;\xff"]
    path = bank.write(b"\n".join([*lines, "21/11/2026;1,00;0;0100000001;Ё2".encode()]))
    assert [payment.document for payment in payments_of(path)] == ["Ё1", "Ё2"]
    assert "is no utf-8 text" in refused_of(path)[0].reason


@pytest.mark.parametrize("account", ["", "кв. 4", "010000000100000000012", "=1+1", "1E+08"])
def test_a_payment_without_a_readable_account_is_suspended(bank: BankHarness, account: str) -> None:
    [payment] = payments_of(bank.write(f"21/11/2026;1,00;0;{account};1"))
    assert (payment.account, payment.suspense) == ("", "no_account")


@pytest.mark.parametrize(
    "line", ["=2;3,00;0,30", "=;2;3,00;0,30", "ИТОГО;2;3,00;0,30", "= 3,00;0,30", "Всего: 2;3,00"]
)
def test_lines_of_totals_are_read(bank: BankHarness, line: str) -> None:
    first, second = "21/11/2026;1,00;0,10;1;1", "21/11/2026;2,00;0,20;1;2"
    [stated] = [
        row for row in rows_of(bank.write(f"{first}\n{second}\n{line}")) if isinstance(row, Stated)
    ]
    assert stated.amount == 300
    assert stated.rows in (None, 2)
    assert stated.fee in (None, 30)


def test_a_document_that_is_cut_off_at_the_end_is_no_other_document(bank: BankHarness) -> None:
    whole = f"{PLAIN}\n{PLAIN.replace('777', '778')}\n"
    assert len(payments_of(bank.write(whole.rstrip()))) == 2
    path = bank.write(whole[:-2])
    assert [payment.document for payment in payments_of(path)] == ["777"]
    assert "ends in the middle of this row" in refused_of(path)[0].reason


def test_a_sum_that_is_cut_off_at_the_end_is_no_other_sum(bank: BankHarness) -> None:
    header = "Документ;Дата;Л/с;Сумма"
    path = bank.write(f"{header}\n1;21.11.2026;01;100,00\n2;21.11.2026;01;45", encoding="utf-8")
    assert [payment.document for payment in payments_of(path)] == ["1"]
    whole = f"{header}\n1;21.11.2026;01;100,00\n2;21.11.2026;01;5,00"
    assert len(payments_of(bank.write(whole, encoding="utf-8"))) == 2
    rough = whole.replace("100,00", "100") + "\n3;21.11.2026;01;7"
    assert len(payments_of(bank.write(rough, encoding="utf-8"))) == 3


def test_equal_rows_without_a_document_are_payments_of_their_own(bank: BankHarness) -> None:
    twice = "21/11/2026;1,00;0;0100000001\n" * 2
    first = [payment.payment_id for payment in payments_of(bank.write(twice))]
    assert len(set(first)) == 2
    again = [payment.payment_id for payment in payments_of(bank.write(twice + twice))]
    assert again[:2] == first


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04....", "is a workbook"),
        (b"%PDF-1.4", "is a PDF"),
        (b"\xff\xfe2\x001\x00", "is UTF-16"),
        (b"21/11\x00/2026;1;0;1;1", "has zero bytes"),
        (b"hello\nworld\n", "of none of the known layouts"),
        ("Дата;Сумма\n21/11/2026;1,00\n".encode(), "lacks account"),
        (b";;;;\n\n", "of none of the known layouts"),
    ],
)
def test_a_file_that_is_no_register_says_what_it_is(
    bank: BankHarness, content: bytes, why: str
) -> None:
    with pytest.raises(ValidationFailed, match=why):
        rows_of(bank.write(content))


def test_a_long_register_is_read_as_a_stream(bank: BankHarness) -> None:
    lines = (f"21/11/2026;{n % 900 + 1},{n % 100:02d};0,50;0100000001;{n}" for n in range(100_000))
    path = bank.write("\r\n".join(lines))
    ids = {row.payment_id for row in rows_of(path) if isinstance(row, Payment)}
    assert len(ids) == 100_000


@pytest.mark.parametrize("seed", range(20))
def test_whatever_bytes_come_each_row_is_a_payment_or_refused(bank: BankHarness, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    lines = [PLAIN.encode()]
    for number in range(200):
        line = bytearray(PLAIN.replace("777", str(number)).encode())
        for _ in range(chance.randrange(4)):
            place = chance.randrange(len(line))
            line[place : place + chance.randrange(3)] = bytes([chance.randrange(1, 256)])
        lines.append(bytes(line).replace(b"\n", b"").replace(b"=", b""))
    for row in rows_of(bank.write(b"\n".join(lines))):
        assert isinstance(row, Payment | Refused)
        if isinstance(row, Payment):
            assert 0 < row.amount <= LARGEST
            assert 0 <= row.fee <= row.amount
            assert DAYS.first <= row.paid_on <= DAYS.today
            assert row.account.isdecimal() or row.suspense
        else:
            assert row.reason


def test_the_example_of_the_documents_is_a_register(bank: BankHarness) -> None:
    summary = bank.load(EXAMPLE)
    assert (summary.rows, summary.matched, summary.total, summary.fee) == (3, 3, 605_040, 6_050)

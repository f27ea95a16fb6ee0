"""PDF: tags, text, attachments, equal bytes, hostile data, and a hub that goes on."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import document_samples as samples
import eventlet
import pikepdf
import pypdfium2
import pytest
import zxingcpp
from msgspec import structs

from gateway.documents.bill import bill_pdf
from gateway.documents.statement import statement_pdf
from gateway.documents.text import document_pdf
from services.identity.documents import Documents
from tests.hostile_texts import HOSTILE as DECEIVING

KINDS = ("bill", "statement", "receipt", "text")


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    text = "\n".join(page.get_textpage().get_text_bounded() for page in document)
    return " ".join(text.split())


def elements(pdf: pikepdf.Pdf) -> Iterator[Any]:
    """Yield every element of the structure tree."""
    waiting: list[Any] = [pdf.Root.StructTreeRoot.K]
    while waiting:
        one = waiting.pop()
        if isinstance(one, pikepdf.Array):
            waiting += list(one)
        elif isinstance(one, pikepdf.Dictionary) and "/S" in one:
            yield one
            if "/K" in one:
                waiting.append(one.K)


def attached(pdf: bytes, name: str) -> Any:
    with pikepdf.open(io.BytesIO(pdf)) as document:
        return json.loads(document.attachments[name].get_file().read_bytes())


@pytest.mark.parametrize("kind", KINDS)
def test_documents_are_archival_and_tagged(documents: Mapping[str, bytes], kind: str) -> None:
    with pikepdf.open(io.BytesIO(documents[kind])) as pdf:
        with pdf.open_metadata() as metadata:
            assert metadata["pdfaid:part"] == "3"
            assert metadata["pdfaid:conformance"] == "A"
            assert metadata["pdfuaid:part"] == "1"
            assert metadata["dc:title"]
        assert pdf.Root.MarkInfo.Marked
        assert str(pdf.Root.Lang) == "ru"
        assert pdf.Root.ViewerPreferences.DisplayDocTitle
        found = list(elements(pdf))
        headers = [one for one in found if str(one.S) == "/TH"]
        assert headers, "no table says what its columns are"
        assert all("/Scope" in str(one.A) for one in headers)
        assert all(str(one.get("/Alt", "")) for one in found if str(one.S) == "/Figure")
        assert "/H1" in {str(one.S) for one in found}


@pytest.mark.parametrize("kind", KINDS)
def test_equal_data_give_equal_bytes(documents: Mapping[str, bytes], kind: str) -> None:
    again = {
        "bill": lambda: bill_pdf(samples.bill(), "ru"),
        "statement": lambda: statement_pdf(samples.statements(), "ru"),
        "receipt": samples.make_receipt,
        "text": lambda: document_pdf(samples.RULES),
    }[kind]
    assert again() == documents[kind]


def test_instruction_has_its_pictures_with_words_for_those_who_do_not_see_them() -> None:
    documents = Documents()
    version = documents.versions("instruction")[0]
    instruction = documents.find("instruction", version, date.fromisoformat(version))
    made = document_pdf(structs.asdict(instruction))
    with pikepdf.open(io.BytesIO(made)) as pdf:
        said = [str(one.Alt) for one in elements(pdf) if str(one.S) == "/Figure"]
    assert len(said) == instruction.text.count("](pictures/") > 5
    assert all(f"![{text}](pictures/" in instruction.text for text in said)
    assert document_pdf(structs.asdict(instruction)) == made


def test_picture_that_is_none_of_ours_is_printed_as_its_words() -> None:
    text = "# Текст\n\n![Чужая](https://evil.example/x.png)\n\n![Выше](pictures/../bill.png)\n"
    made = document_pdf({"title": "Текст", "version": "2026-01-01", "text": text})
    assert "Чужая Выше" in text_of(made)
    with pikepdf.open(io.BytesIO(made)) as pdf:
        assert "/Figure" not in {str(one.S) for one in elements(pdf)}


def test_bill_is_one_page_with_all_its_facts(documents: Mapping[str, bytes]) -> None:
    assert len(pypdfium2.PdfDocument(documents["bill"])) == 1
    text = text_of(documents["bill"])
    for fact in (
        "Счёт за октябрь 2026",
        "К оплате 5 268,71 ₽ до 16 ноября 2026",
        "Примерова Полина Образцовна",
        "0,242911 Гкал × 2 418,36",
        "Перерасчёт: отключение на 10 суток",
        "Недопоставка отопления 3-5 октября",
        "40702810300000001001",
        "Фонд капитального ремонта",
    ):
        assert fact in text


def test_bill_is_written_in_english_too() -> None:
    text = text_of(bill_pdf(samples.bill(), "en"))
    assert "Bill for October 2026" in text
    assert "To pay ₽5,268.71 by 16 November 2026" in text


def test_bill_carries_its_data(documents: Mapping[str, bytes]) -> None:
    assert attached(documents["bill"], "bill.json") == samples.bill()


def test_payment_codes_of_a_bill_are_read_back(documents: Mapping[str, bytes]) -> None:
    image = pypdfium2.PdfDocument(documents["bill"])[0].render(scale=4).to_pil()
    read = {found.text for found in zxingcpp.read_barcodes(image)}
    codes = {payee["payment_code"] for payee in samples.bill()["payees"]}
    assert len(codes) == 2
    assert read == codes


def test_control_code_of_the_owner_is_printed_and_not_attached() -> None:
    made = bill_pdf(samples.bill(), "ru", "7K4M-Q2XD")
    assert "Контрольный код 7K4M-Q2XD" in text_of(made)
    assert "7K4M" not in str(attached(made, "bill.json"))
    assert "Контрольный код" not in text_of(bill_pdf(samples.bill(), "ru"))


def test_bill_that_is_paid_says_so() -> None:
    services = [samples.row("heating", "Отопление", charged=100, paid=100)]
    paid = samples.bill(services=services, totals=samples.sums(services))
    assert "Платить не нужно: долга нет" in text_of(bill_pdf(paid, "ru"))
    services.append(samples.row("advance", "advance", paid=500))
    ahead = samples.bill(services=services, totals=samples.sums(services))
    assert "Переплата 5,00 ₽" in text_of(bill_pdf(ahead, "ru"))


DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
HOSTILE = (
    '#read("/etc/passwd")',
    "$x^2$",
    "*bold* _emph_ = heading",
    '#import "layout.typ"',
    "] #panic() [",
    "<label> @ref \\u{41} \\",
    '"} + sys.inputs',
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_data_stay_text(text: str) -> None:
    changed = samples.bill(holder=text, address=text)
    changed["lines"][0] |= {"name": text, "explanation": text}
    changed["payees"][0]["name"] = text
    assert text_of(bill_pdf(changed, "ru")).count(" ".join(text.split())) >= 5
    assert text in text_of(statement_pdf(samples.statements(reason=text), "ru"))
    assert (
        text_of(document_pdf({**samples.RULES, "text": f"# a\n\n```\n{text}\n```\n"})).count(text)
        == 1
    )


@pytest.mark.parametrize("text", [*DECEIVING.values(), "Ли 李明 👍🏽 \ue000"])
def test_a_name_of_any_characters_makes_a_document(text: str) -> None:
    changed = samples.bill(holder=f"Иванов {text}", address=text)
    changed["lines"][0] |= {"name": text, "explanation": text}
    shown = text_of(bill_pdf(changed, "ru"))
    assert "Иванов" in shown
    assert not DIRECTION.search(shown)


def test_statement_says_where_nothing_happened(documents: Mapping[str, bytes]) -> None:
    text = text_of(documents["statement"])
    assert "Движений не было. Входящий остаток 0,00 ₽" in text
    assert "31 мая 2026 Начислено, май 2026 +4 500,00 ₽ 4 500,00 ₽" in text


def test_statement_repeats_its_header_on_each_page() -> None:
    long = samples.statements()
    long["accounts"][0]["movements"] *= 40
    pages = pypdfium2.PdfDocument(statement_pdf(long, "ru"))
    assert len(pages) > 2
    for page in list(pages)[1:-1]:
        assert "Остаток после" in page.get_textpage().get_text_bounded()


def test_receipt_proves_itself(documents: Mapping[str, bytes]) -> None:
    text = text_of(documents["receipt"])
    assert "Четыре тысячи пятьсот четырнадцать рублей 25 копеек" in text
    assert "11 августа 2026, 00:03" in text
    assert "Отопление, июль 2026 3 000,00 ₽" in text
    assert "Вперёд 500,00 ₽" in text
    assert "Возвращено на карту, 12 августа 2026, 12:30" in text
    assert "0100000001 1 000,00 ₽" in text
    assert "7,00 ₽" not in text
    assert attached(documents["receipt"], "proof.json") == {"proofs": samples.receipt()["proofs"]}
    image = pypdfium2.PdfDocument(documents["receipt"])[0].render(scale=3).to_pil()
    assert zxingcpp.read_barcode(image).text == "https://saldo.example/verify"


def test_hub_goes_on_while_bills_are_made() -> None:
    """Ten at a time: whoever else waits for the hub does so for a fraction of a bill."""
    bill_pdf(samples.bill(), "ru")
    ticks, made = 0, list[bytes]()
    pool = eventlet.GreenPool()
    for number in range(10):
        bill = samples.bill(number=f"01000000{number:02}")
        pool.spawn(lambda one=bill: made.append(bill_pdf(one, "ru")))
    while len(made) < 10:
        eventlet.sleep(0.002)
        ticks += 1
    assert ticks > 20
    assert len(set(made)) == 10

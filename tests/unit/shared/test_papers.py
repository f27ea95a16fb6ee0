"""The forms of papers: their words in both languages, tags, equal bytes, hostile data."""

from __future__ import annotations

import io
from typing import Any

import pikepdf
import pypdfium2
import pytest

from shared.documents.papers import LANGUAGES, english, form, paper_pdf, texts_of

FORMS = sorted(path.stem for path in form("figures").parent.glob("*.typ"))
NOBODY = {"organisation": "", "holder": "", "address": ""}
ROW: dict[str, Any] = dict.fromkeys(
    ("opening", "charged", "recalculated", "concession", "penalty", "paid", "closing"), 0
)
MOVEMENT = {
    **ROW,
    "position": 7,
    "effective_on": "2026-06-20",
    "kind": "charges",
    "text": "Начисления",
    "period": "2026-05",
    "reason": "",
    "taken": None,
    "balance": -1_05,
}
ACCOUNT = {
    "number": "0100000001",
    "first_day": "2026-01-01",
    "last_day": "2026-06-30",
    "movements": [MOVEMENT, {**MOVEMENT, "charged": 1_234_567_89}],
    "services": [{**ROW, "service": "heating", "name": "Отопление", "closing": 100}],
    "totals": {**ROW, "closing": -1_05},
    "penalty_day": "2026-06-30",
    "unbooked_penalty": 14_25,
}
DEBT = {
    "number": "0100000001",
    "on": "2026-06-30",
    "services": [{"service": "heating", "name": "Отопление", "amount": 4_500_00}],
    "principal": 4_500_00,
    "penalty": 14_25,
    "advance": 0,
    "owed": 4_514_25,
}
SEGMENT = {
    "first_day": "2026-05-16",
    "last_day": "2026-06-20",
    "days": 36,
    "base": 4_500_00,
    "rate": "9.5",
    "divisor": 300,
    "amount": 51_30,
    "reason": "accrual",
    "basis": [0],
}
LATE = {
    "period": "2026-03",
    "payer_kind": "household",
    "due_on": "2026-04-15",
    "principal": 4_500_00,
    "unpaid": 4_500_00,
    "total": 51_30,
    "basis": ["ЖК РФ ст. 155 ч. 14"],
    "segments": [
        {**SEGMENT, "rate": "", "divisor": 0, "amount": 0, "reason": "deferment"},
        SEGMENT,
    ],
}
PACK = {
    **ACCOUNT,
    "as_of": "2026-06-30T09:30:00.123456+00:00",
    "day": "2026-06-30",
    "payer_kind": "household",
    "debt": {"principal": 4_500_00, "penalty": 51_30, "advance": 0, "total": 4_551_30},
    "rules": "ru-2026-03+74a831fcd094",
    "penalty": {"by_rules": 51_30, "paid": 0, "waived": 0, "owed": 51_30, "provisional": True},
    "debts": [{**LATE, "period": "0001-01"}, LATE, {**LATE, "payer_kind": "capital_repair"}],
    "accruals": [
        {
            "position": 9,
            "effective_on": "2026-06-20",
            "through": "",
            "rule": "",
            "reason": "суд",
            "amount": -1,
        }
    ],
    "payments": [
        {
            "position": 8,
            "effective_on": "2026-06-20",
            "payment_id": "8f4e",
            "is_reversal": False,
            "is_refund": False,
            "amount": 100,
            "parts": [{"name": "Отопление", "period": "0001-01", "amount": 50}],
            "penalty": 20,
            "ahead": 30,
        }
    ],
    "log": {
        "origin": "billing.example/ledger",
        "key": "billing.example/ledger+f1e2d3c4+A",
        "size": 40,
        "checkpoint": "billing.example/ledger\n40\nroot\n",
        "events": [
            {
                "position": 7,
                "version": 1,
                "topic": "ledger.account_opened.v1",
                "effective_on": "2026-01-01",
                "recorded_at": "2026-06-20T09:30:00+00:00",
                "leaf_hash": "ab" * 32,
            }
        ],
    },
    "command": "saldo ledger court-pack",
    "proofs": "[]",
    "attached": "{}",
}
PAPERS: dict[str, dict[str, Any]] = {
    "reconciliation": {**ACCOUNT, **NOBODY},
    "certificate": {**DEBT, **NOBODY},
    "court_pack": PACK,
}


def text_of(pdf: bytes) -> str:
    pages = pypdfium2.PdfDocument(pdf)
    return " ".join(" ".join(page.get_textpage().get_text_bounded() for page in pages).split())


def tags_of(element: Any) -> list[Any]:
    if isinstance(element, pikepdf.Array):
        return [tag for one in element for tag in tags_of(one)]
    if isinstance(element, pikepdf.Dictionary) and "/S" in element:
        return [element, *tags_of(element.get("/K"))]
    return []


def test_every_text_of_a_form_has_its_english_and_no_other_text_has() -> None:
    texts = {text for name in FORMS for text in texts_of(form(name))}
    assert texts == set(english())
    assert all(english().values())
    # `text` is tried with the documents of the gateway.
    assert set(PAPERS) == set(FORMS) - {"figures", "text"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("paper", PAPERS)
def test_papers_are_archival_tagged_and_equal(paper: str, language: str) -> None:
    made = paper_pdf(paper, PAPERS[paper], language)
    assert paper_pdf(paper, PAPERS[paper], language) == made
    with pikepdf.open(io.BytesIO(made)) as pdf:
        with pdf.open_metadata() as metadata:
            assert (metadata["pdfaid:part"], metadata["pdfuaid:part"]) == ("3", "1")
            assert "0100000001" in metadata["dc:title"]
        assert str(pdf.Root.Lang) == language
        tags = tags_of(pdf.Root.StructTreeRoot.K)
        assert all("/Scope" in str(one.A) for one in tags if str(one.S) == "/TH")
        assert {"/H1", "/TH", "/TD"} <= {str(one.S) for one in tags}
    assert ("Page 1 / 1" if language == "en" else "Страница 1 / 1")[:-1] in text_of(made)


def test_sums_and_days_are_written_as_on_the_pages() -> None:
    russian = text_of(paper_pdf("reconciliation", PAPERS["reconciliation"], "ru"))
    for fact in ("1 234 567,89", "−1,05 ₽", "переплата 1,05 ₽", "Начислено, май 2026"):
        assert fact in russian
    written = text_of(paper_pdf("reconciliation", PAPERS["reconciliation"], "en"))
    for fact in ("1,234,567.89", "−₽1.05", "paid in advance ₽1.05", "Charged, May 2026"):
        assert fact in written
    pack = text_of(paper_pdf("court_pack", PACK, "ru"))
    for fact in (
        "16.05.2026 – 20.06.2026 36 4 500,00 ₽ 9,5 300 [1] 51,30 ₽",
        "[1] ЖК РФ ст. 155 ч. 14",
        "Отопление, долг на начало 0,50 ₽; пени 0,20 ₽; вперёд 0,30 ₽",
        "30.06.2026 09:30:00 UTC",
        "Долг на начало: 4 500,00 ₽, срок оплаты 15 апреля 2026",
        "Долг за март 2026: 4 500,00 ₽, срок оплаты",
        "Долг за март 2026, взнос на капитальный ремонт: 4 500,00 ₽, срок оплаты",
    ):
        assert fact in pack


def test_what_a_refund_took_back_is_said_to_the_court() -> None:
    [paid] = PACK["payments"]
    back = {**paid, "is_refund": True, "amount": -50, "penalty": 0, "ahead": 0}
    part = {**paid["parts"][0], "amount": -50}
    data = {**PACK, "payments": [paid, {**back, "parts": [part]}]}
    pack = text_of(paper_pdf("court_pack", data, "ru"))
    assert "Возврат оплаты: Отопление, долг на начало −0,50 ₽" in pack


@pytest.mark.parametrize(
    ("taken", "language", "written"),
    [
        (None, "ru", "20.06.2026 Оплата 1,00"),
        ({"place": "cash_desk", "document": "117"}, "ru", "Оплата в кассе: № 117 1,00"),
        ({"place": "bank", "document": ""}, "ru", "Оплата через банк 1,00"),
        ({"place": "bank", "document": "117"}, "en", "Payment through a bank: № 117 1.00"),
    ],
)
def test_a_payment_says_where_it_was_taken(
    taken: dict[str, str] | None, language: str, written: str
) -> None:
    paid = {**MOVEMENT, "kind": "payment", "period": "", "taken": taken, "paid": 1_00}
    data = {**PAPERS["reconciliation"], "movements": [paid]}
    assert written in text_of(paper_pdf("reconciliation", data, language))


@pytest.mark.parametrize("text", ['#read("/etc/passwd")', "$x^2$ *b* _e_", "] #panic() ["])
def test_hostile_data_stay_text(text: str) -> None:
    movements = [{**MOVEMENT, "kind": "adjustment", "reason": text}]
    named = {"organisation": text, "holder": text, "address": text}
    made = paper_pdf("reconciliation", {**ACCOUNT, **named, "movements": movements}, "ru")
    assert text_of(made).count(" ".join(text.split())) == 6

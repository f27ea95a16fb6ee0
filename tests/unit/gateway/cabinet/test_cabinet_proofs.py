"""The check of a proof: pasted or as a file, by anybody, and without us."""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import Any

import pytest
from cabinet_doubles import CabinetBrowser
from cabinet_person import CabinetPerson, main_of
from gateway_doubles import THING, Browser, FakeServices
from gateway_samples import PROOF

from shared.errors import Forbidden, Unavailable, ValidationFailed

PROVEN = {
    "position": 7,
    "size": 8,
    "origin": "billing.example/ledger",
    "recorded_at": "2026-05-14T09:31:02.000000Z",
    "sealed_at": "2026-05-14T09:31:15+00:00",
    "payment": {
        "payment_id": THING,
        "account": "0001",
        "amount": 4_500_00,
        "penalty": 14_25,
        "effective_on": "2026-05-14",
    },
}
RECEIPT = {"payment": {}, "postings": [], "proofs": [{"account": "0001", "proof": PROOF}]}


@pytest.fixture(autouse=True)
def ledger(services: FakeServices) -> None:
    services.answers["ledger", "verifier_keys"] = {"keys": ["billing.example/ledger+f1e2d3c4+A"]}
    services.answers["ledger", "verify_proof"] = PROVEN


@pytest.mark.parametrize("pasted", [PROOF, RECEIPT, RECEIPT["proofs"]])
def test_anybody_can_check_a_proof(
    person: CabinetPerson, services: FakeServices, pasted: Any
) -> None:
    services.answers["identity", "authenticate"] = Forbidden("not_signed_in", "x")
    page = person.post("/verify", {"receipt": json.dumps(pasted)})
    assert page.status_code == 200
    assert "Запись есть в журнале с 14 мая 2026, 12:31" in main_of(page.text)
    assert "Оплата 4 514,25 ₽ от 14 мая 2026 на лицевой счёт 0001" in main_of(page.text)
    assert ("ledger", "verify_proof", {"proof": PROOF}) in services.calls


@pytest.mark.parametrize(
    "pasted",
    ["", "{", "[]", "7", '{"format": 1}', json.dumps([PROOF] * 11), "[" * 10_000],
)
def test_what_is_no_proof_is_refused_beside_the_field(person: CabinetPerson, pasted: str) -> None:
    page = person.post("/verify", {"receipt": pasted})
    assert page.status_code == 422
    assert "Это не доказательство из квитанции" in main_of(page.text)
    assert 'id="receipt-error"' in page.text


def test_a_proof_is_taken_as_a_file(cabinet: CabinetBrowser, services: FakeServices) -> None:
    fields = cabinet.get("/verify").fields
    shown = cabinet.post("/verify", {**fields, "file": as_file(json.dumps(RECEIPT))})
    assert shown.status == 200
    assert "Запись есть в журнале с 14 мая 2026, 12:31" in shown.text
    assert ("ledger", "verify_proof", {"proof": PROOF}) in services.calls


@pytest.mark.parametrize("content", ["%PDF-1.7 \xff", "{}", "\x00"], ids=["PDF", "empty", "zero"])
def test_a_file_that_is_no_proof_is_refused_beside_its_field(
    cabinet: CabinetBrowser, content: str
) -> None:
    fields = cabinet.get("/verify").fields
    shown = cabinet.post("/verify", {**fields, "file": as_file(content)})
    assert shown.status == 422
    assert 'id="file-error"' in shown.markup
    assert shown.title.startswith("Ошибка:")


def test_only_the_page_that_asks_for_a_file_takes_one(cabinet: CabinetBrowser) -> None:
    fields = cabinet.get("/").fields
    assert cabinet.post("/login", {**fields, "file": as_file("x")}).status == 415


def test_a_form_with_a_file_needs_its_token(cabinet: CabinetBrowser) -> None:
    shown = cabinet.post("/verify", {"_csrf": "x", "file": as_file(json.dumps(PROOF))})
    assert shown.status == 403


def test_a_broken_form_with_a_file_is_refused(cabinet: CabinetBrowser) -> None:
    response = cabinet.client.post(
        "/verify", data=b"--", content_type="multipart/form-data; boundary=x"
    )
    assert response.status_code in {400, 403}


def as_file(content: str) -> Any:
    return (BytesIO(content.encode("latin-1", "replace")), "proof.json", "application/json")


def test_a_changed_digit_is_refused(person: CabinetPerson, services: FakeServices) -> None:
    services.answers["ledger", "verify_proof"] = ValidationFailed("proof_does_not_hold", "x")
    page = person.post("/verify", {"receipt": json.dumps(PROOF)})
    assert page.status_code == 422
    assert "Доказательство не сходится" in main_of(page.text)


def test_the_page_says_how_to_check_without_us(
    person: CabinetPerson, services: FakeServices
) -> None:
    page = main_of(person.get("/verify").text)
    assert "python -m services.ledger.seal.verifier receipt.json --key KEY" in page
    assert "billing.example/ledger+f1e2d3c4+A" in page
    services.answers["ledger", "verifier_keys"] = Unavailable("service_unavailable", "x")
    assert person.get("/verify").status_code == 200


def test_the_check_speaks_english(browser: Browser) -> None:
    page = main_of(CabinetPerson(browser, language="en").get("/verify").text)
    assert not re.search(r"[а-яё]", page, re.IGNORECASE)

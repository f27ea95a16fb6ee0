"""The protocol of the registrar, against the simulated one: repeated, lost, refused, slow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec
import pytest
import requests

from services.payments.events import Line
from services.payments.fiscal import (
    Accepted,
    FiscalRegistrar,
    NewReceipt,
    Outcome,
    Refused,
    Registered,
    UnknownOutcome,
    open_registrar,
)
from services.payments.fiscal.atol import connect
from services.payments.fiscal.receipts import ReceiptKind, Seller, paid_items, positions
from shared.config import ConfigurationError
from tests.fiscal_registrar import INN, Registrar, running_registrar

ZONE = ZoneInfo("Europe/Moscow")


@pytest.fixture(scope="module")
def registrar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registrar]:
    with running_registrar(tmp_path_factory.mktemp("registrar")) as running:
        yield running


@pytest.fixture
def port(registrar: Registrar) -> FiscalRegistrar:
    registrar.clear()
    return connect(registrar.settings, ZONE)


def receipt(
    kind: ReceiptKind = ReceiptKind.INCOME, *, buyer: str = "p@saldo.example"
) -> NewReceipt:
    items = paid_items([Line("0001", 450_003, 1_425), Line("0002", 810, 0)])
    return NewReceipt(
        external_id=uuid4().hex,
        kind=kind,
        positions=positions(items, "vat22", "full_payment"),
        total=452_238,
        seller=Seller(name="ООО", inn=INN, place="https://saldo.example"),
        taxation="osn",
        buyer=buyer,
        requested_at=datetime(2026, 11, 28, 19, 0, tzinfo=UTC),
    )


def accepted(outcome: Outcome) -> str:
    assert isinstance(outcome, Accepted), outcome
    return outcome.reference


@pytest.mark.parametrize("kind", ReceiptKind)
def test_a_receipt_is_accepted_then_registered_with_its_numbers(
    registrar: Registrar, port: FiscalRegistrar, kind: ReceiptKind
) -> None:
    reference = accepted(port.register(receipt(kind)))
    found = port.find(reference)
    assert isinstance(found, Registered)
    assert found.issued_at.tzinfo == ZONE
    assert found.sign in requests.get(found.url, timeout=5).text
    taken = registrar.receipts()[-1]
    assert (taken["total"], taken["document"]) == (4522.38, int(found.document))
    assert taken["operation"] == ("sell" if kind is ReceiptKind.INCOME else "sell_refund")


def test_a_repeated_receipt_is_the_first_one(registrar: Registrar, port: FiscalRegistrar) -> None:
    once = receipt()
    before = len(registrar.receipts())
    assert accepted(port.register(once)) == accepted(port.register(once))
    assert len(registrar.receipts()) == before + 1


def test_a_receipt_whose_answer_was_lost_is_found_by_repeating_it(
    registrar: Registrar, port: FiscalRegistrar
) -> None:
    lost, before = receipt(), len(registrar.receipts())
    registrar.faults(lose_answers=True)
    assert isinstance(port.register(lost), UnknownOutcome)
    registrar.clear()
    assert isinstance(port.find(accepted(port.register(lost))), Registered)
    assert len(registrar.receipts()) == before + 1


def test_a_receipt_waits_for_its_cash_register(registrar: Registrar, port: FiscalRegistrar) -> None:
    registrar.faults(delay_seconds=600)
    reference = accepted(port.register(receipt()))
    assert port.find(reference) == Accepted(reference)
    registrar.clear()
    assert isinstance(port.find(reference), Registered)


def test_what_the_cash_register_refuses_is_refused(
    registrar: Registrar, port: FiscalRegistrar
) -> None:
    registrar.faults(refuse=True)
    refused = port.find(accepted(port.register(receipt())))
    assert isinstance(refused, Refused)
    assert refused.reason.startswith("-3804")


def test_a_receipt_that_does_not_add_up_is_refused_at_once(port: FiscalRegistrar) -> None:
    wrong = msgspec.structs.replace(receipt(), total=1)
    outcome = port.register(wrong)
    assert isinstance(outcome, Refused)
    assert "total" in outcome.reason


def test_an_expired_token_is_asked_for_again(registrar: Registrar, port: FiscalRegistrar) -> None:
    accepted(port.register(receipt()))
    registrar.faults(forget_tokens=True)
    accepted(port.register(receipt()))


def test_a_registrar_that_is_silent_or_refuses_us_leaves_the_outcome_unknown(
    registrar: Registrar, port: FiscalRegistrar
) -> None:
    registrar.faults(lose_calls=True)
    assert isinstance(port.register(receipt()), UnknownOutcome)
    assert isinstance(port.find("any"), UnknownOutcome)
    registrar.clear()
    assert isinstance(port.find("unknown-reference"), UnknownOutcome)


def test_no_outcome_quotes_the_buyer_or_the_password(registrar: Registrar) -> None:
    strange = replace(registrar.settings, password="wrong-password", url="http://127.0.0.1:9")
    for settings in (strange, replace(strange, url=registrar.url)):
        outcome = connect(settings, ZONE).register(receipt(buyer="secret@saldo.example"))
        assert isinstance(outcome, UnknownOutcome)
        assert "secret" not in outcome.reason
        assert "password" not in outcome.reason


def test_a_registrar_without_a_password_is_refused(registrar: Registrar) -> None:
    with pytest.raises(ConfigurationError, match="SALDO_FISCAL_PASSWORD"):
        open_registrar(replace(registrar.settings, password=""), "Europe/Moscow")


def test_an_unknown_protocol_is_refused(registrar: Registrar) -> None:
    with pytest.raises(ConfigurationError, match="SALDO_FISCAL"):
        open_registrar(replace(registrar.settings, protocol="abacus"), "Europe/Moscow")

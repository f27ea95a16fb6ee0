"""Whom bills are paid to: a payee that nobody could pay stops the start."""

from __future__ import annotations

from pathlib import Path

import document_samples as samples
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents.bill import with_payees
from gateway.documents.payees import Payee, is_account_of, load_payees
from gateway.documents.payment_code import payment_text, qr_svg
from shared.config import ConfigurationError

GOOD = {
    "name": "ООО «Три кита»",
    "inn": "6200098765",
    "account": "40702810138250123017",
    "bank": 'ОАО "БАНК"',
    "bic": "044525225",
    "correspondent_account": "30101810400000000225",
    "purpose": "ЖКУ",
}


def file_of(folder: Path, *payees: dict[str, object]) -> str:
    path = folder / "payees.yaml"
    path.write_text(yaml.safe_dump({"payees": list(payees)}, allow_unicode=True), "utf-8")
    return str(path)


def test_own_payees_replace_those_of_the_demo(tmp_path: Path) -> None:
    assert load_payees(file_of(tmp_path, GOOD)).main.name == "ООО «Три кита»"
    assert load_payees().of("capital_repair") != load_payees().main
    assert load_payees().of("anything_else") == load_payees().main


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"bic": "04452522"}, "bic has the wrong number of digits"),
        ({"account": "4070281013825012301"}, "account has the wrong number of digits"),
        ({"account": "40702810238250123017"}, "account and bic do not belong together"),
        ({"correspondent_account": "30101810500000000225"}, "correspondent_account and bic"),
        ({"bank": "Б" * 46}, "at most 45 fit"),
        ({"name": "А|Б"}, "a payment code cannot hold"),
        ({"purpose": " "}, "purpose is empty"),
        ({"services": ["heating"]}, "exactly one payee must have no services"),
        ({"iban": "x"}, "iban"),
        ({"bic": 44525225}, "Expected `str`"),
    ],
)
def test_payee_that_cannot_be_paid_is_refused(
    tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    path = file_of(tmp_path, {**GOOD, **changes})
    with pytest.raises(ConfigurationError, match="SALDO_PAYEES") as refused:
        load_payees(path)
    assert problem in str(refused.value)


def test_a_missing_file_and_a_shared_service_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        load_payees(str(tmp_path / "none.yaml"))
    repair = {**GOOD, "services": ["repair"]}
    with pytest.raises(ConfigurationError, match="one payee"):
        load_payees(file_of(tmp_path, GOOD, repair, repair))


def test_key_digit_of_an_account_at_the_bank_of_russia() -> None:
    assert is_account_of("40101810800000010041", "044583001")
    assert not is_account_of("40101810700000010041", "044583001")


def test_payment_code_has_the_fields_of_the_standard() -> None:
    text = payment_text(
        Payee(**GOOD),
        account="0001234",
        period="2026-03",
        due_on="2026-04-15",
        amount=450000,
        penalty=1425,
    )
    assert text == (
        'ST00012|Name=ООО «Три кита»|PersonalAcc=40702810138250123017|BankName=ОАО "БАНК"'
        "|BIC=044525225|CorrespAcc=30101810400000000225|PayeeINN=6200098765|Sum=450000"
        "|Purpose=ЖКУ, л/с 0001234, 03.2026|PersAcc=0001234|PaymPeriod=032026"
        "|PaymTerm=15.04.2026|AddAmount=1425"
    )


def test_drawing_of_a_code_has_no_style() -> None:
    drawn = qr_svg("ST00012|Name=Имя")
    assert drawn.startswith("<svg")
    assert "style" not in drawn


AMOUNTS = st.integers(-(10**6), 10**6)


@given(
    services=st.lists(
        st.tuples(st.sampled_from(["heating", "waste", "capital_repair"]), AMOUNTS), max_size=4
    ),
    penalty=st.integers(0, 10**5),
    advance=st.integers(0, 10**6),
)
def test_payees_get_what_is_to_pay_to_the_kopeck(
    services: list[tuple[str, int]], penalty: int, advance: int
) -> None:
    rows = [samples.row(service, service, charged=amount) for service, amount in services]
    rows.append(samples.row("penalty", "penalty", penalty=penalty))
    rows.append(samples.row("advance", "advance", paid=advance))
    bill = samples.bill(services=rows, totals=samples.sums(rows))
    paid = sum(payee["amount"] + payee["penalty"] for payee in bill["payees"])
    assert paid == bill["to_pay"] == max(0, bill["totals"]["closing"])
    assert with_payees(bill, load_payees()) == bill

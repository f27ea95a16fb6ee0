"""Importing banks' files: totals, quarantine, repetition, suspense; the worker's decisions."""

from __future__ import annotations

import stat
from pathlib import Path
from uuid import UUID

import pytest
from register_doubles import BankHarness, document, statement

from services.payments.registers import importing
from services.payments.registers.receiving import (
    AssignPayment,
    RecordPosting,
    ReturnPayment,
    assign_payment,
    post_bank_payment,
    return_payment,
    reverse_bank_payment,
)
from shared import context
from shared.errors import Conflict, NotFound, ValidationFailed
from shared.tablefiles import ControlTotals

KNOWN = "21/11/2026;4500,00;45,00;0100000001;777"
UNKNOWN = "21/11/2026;10,00;0,10;0900000009;778"
NOBODY = "21/11/2026;5,00;0,05;кв. 4;779"
TRANSFER = "Перечисление по реестру от 21.11.2026"


@pytest.fixture
def bank(tmp_path: Path) -> BankHarness:
    return BankHarness(tmp_path)


def only(bank: BankHarness) -> UUID:
    [row] = bank.payments()
    return row["payment_id"]


def assign(bank: BankHarness, payment_id: UUID, account: str) -> bool:
    with context.bind(actor="staff:ivanova"):
        command = AssignPayment(payment_id=payment_id, account=account, reason="по чеку")
        return bank.store.transact(assign_payment, command)


def posted(bank: BankHarness, payment_id: UUID, account: str, position: int = 1) -> None:
    posting = RecordPosting(payment_id=payment_id, account=account, position=position)
    bank.store.transact(post_bank_payment, posting)


def reverse(bank: BankHarness, payment_id: UUID, account: str) -> None:
    posting = RecordPosting(payment_id=payment_id, account=account, position=2)
    bank.store.transact(reverse_bank_payment, posting)


def test_known_accounts_are_accepted_and_the_others_wait(bank: BankHarness) -> None:
    summary = bank.load(bank.write("\n".join([KNOWN, UNKNOWN, NOBODY, "=3;4515,00;45,15"])))
    assert (summary.state, summary.matched, summary.suspense) == ("imported", 2, 1)
    assert (summary.rows, summary.total, summary.fee) == (3, 451_500, 4_515)
    assert bank.take() == 2
    assert [(row["state"], row["reason"]) for row in bank.payments()] == [
        ("accepted", None),
        ("suspended", "unknown_account"),
        ("suspended", "no_account"),
    ]
    [accepted] = bank.events("BankPaymentAccepted")
    assert (accepted.account, accepted.amount, accepted.document) == ("0100000001", 450_000, "777")
    assert bank.take() == 0


def test_a_document_that_a_clerk_has_entered_is_not_posted_again(bank: BankHarness) -> None:
    bank.entered = {("0100000001", "777")}
    bank.load(bank.write(f"{KNOWN}\n{KNOWN.replace('777', '780')}"))
    bank.take()
    assert [(row["state"], row["reason"]) for row in bank.payments()] == [
        ("suspended", "entered_already"),
        ("accepted", None),
    ]


def test_payments_wait_while_the_ledger_is_silent(bank: BankHarness) -> None:
    bank.load(bank.write(KNOWN))
    bank.silent = True
    assert bank.take() == 0
    assert bank.states() == ["received"]
    bank.silent = False
    assert bank.take() == 1


def test_the_same_file_again_changes_nothing(bank: BankHarness) -> None:
    path = bank.write(f"{KNOWN}\n{UNKNOWN}\n")
    bank.load(path)
    bank.take()
    before = len(bank.store.log)
    again = bank.load(path)
    assert (again.state, again.received, again.repeated) == ("imported_before", 0, 2)
    bank.take()
    assert len(bank.store.log) == before


def test_an_overlapping_register_adds_what_is_new_alone(bank: BankHarness) -> None:
    bank.load(bank.write(KNOWN))
    other = bank.write(
        "Документ;Дата;Л/с;Сумма\n777;21.11.2026;0100000001;4500\n780;22.11.2026;0100000002;1",
        "b.txt",
    )
    summary = bank.load(other)
    assert (summary.received, summary.repeated, summary.refused) == (1, 1, 0)
    assert len(bank.payments()) == 2


def test_an_interrupted_import_is_repeated(
    bank: BankHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)
    lines = [KNOWN.replace("777", str(number)) for number in range(5)]
    path, calls = bank.write("\n".join(lines)), iter([None, None])
    transact = bank.store.transact

    def dying(handler: object, command: object) -> object:
        if handler is importing.receive_payments and next(calls, "over") == "over":
            raise KeyboardInterrupt
        return transact(handler, command)

    monkeypatch.setattr(bank.store, "transact", dying)
    with pytest.raises(KeyboardInterrupt):
        bank.load(path)
    assert len(bank.payments()) == 4
    monkeypatch.setattr(bank.store, "transact", transact)
    summary = bank.load(path)
    assert (summary.state, summary.received, summary.repeated) == ("imported", 1, 4)
    [imported] = bank.events("RegisterImported")
    assert (imported.received, imported.repeated) == (5, 0)


@pytest.mark.parametrize(
    ("row", "known"),
    [
        (KNOWN.replace("4500,00", "4500,01"), "known with 4\u00a0500,00"),
        (KNOWN.replace("0100000001", "0100000002"), "known with account 0100000001"),
    ],
)
def test_the_same_document_with_other_content_is_refused(
    bank: BankHarness, row: str, known: str
) -> None:
    bank.load(bank.write(KNOWN))
    bank.take()
    path = bank.write(row, "b.txt")
    summary = bank.load(path)
    assert (summary.differing, summary.refused, summary.received) == (1, 1, 0)
    assert known in Path(str(summary.quarantine)).read_text("utf-8-sig")
    bank.load(path)
    [differed] = bank.events("BankPaymentDiffered")
    assert differed.row == 1
    assert len(bank.payments()) == 1


def test_a_payment_twice_in_a_file_is_taken_once(bank: BankHarness) -> None:
    summary = bank.load(bank.write(f"{KNOWN}\n{KNOWN}"))
    assert (summary.received, summary.refused) == (1, 1)
    assert "row 1 has it already" in Path(str(summary.quarantine)).read_text("utf-8-sig")


def test_a_corrected_quarantine_file_is_imported_as_it_is(bank: BankHarness) -> None:
    wrong = "31/02/2026;12,50;0,10;0100000001;=1+1"
    summary = bank.load(bank.write(f"{KNOWN}\n{wrong}"))
    quarantine = Path(str(summary.quarantine))
    assert stat.S_IMODE(quarantine.stat().st_mode) == 0o600
    text = quarantine.read_text("utf-8-sig")
    assert "31/02/2026;12,50;0,10;0100000001;'=1+1;2;date: " in text
    again = bank.load(bank.write(text.replace("31/02/2026", "20/11/2026"), "fixed.csv", "utf-8"))
    assert (again.received, again.refused) == (1, 0)
    assert bank.payments()[-1]["document"] == "=1+1"


@pytest.mark.parametrize(
    "footer", ["=1;4510,00;45,10", "=2;4511,00;45,10", "=2;4510,00;45,11", "=2;4510,00;много"]
)
def test_totals_of_the_bank_that_differ_refuse_the_file(bank: BankHarness, footer: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        bank.load(bank.write(f"{KNOWN}\n{UNKNOWN}\n{footer}"))
    assert refused.value.code == "control_totals"
    assert not bank.store.log


def test_a_refused_row_counts_in_the_totals_of_the_bank(bank: BankHarness) -> None:
    wrong = UNKNOWN.replace("21/11", "31/02")
    assert bank.load(bank.write(f"{KNOWN}\n{wrong}\n=2;4510,00;45,10")).refused == 1


def test_totals_of_a_statement_are_compared(bank: BankHarness) -> None:
    with pytest.raises(ValidationFailed, match="4\u00a0500,00 roubles, not 4\u00a0500,01"):
        bank.load(bank.write(statement(document(), received="4500.01")))
    assert bank.load(bank.write(statement(document(), received="4500.00"))).received == 1


@pytest.mark.parametrize("totals", [ControlTotals(rows=2), ControlTotals(total=1)])
def test_control_totals_that_differ_refuse_the_file(
    bank: BankHarness, totals: ControlTotals
) -> None:
    with pytest.raises(ValidationFailed, match="control totals differ"):
        bank.load(bank.write(KNOWN), totals=totals)
    assert not bank.store.log


def test_a_dry_run_records_nothing(bank: BankHarness) -> None:
    bank.load(bank.write(KNOWN))
    before = len(bank.store.log)
    summary = bank.load(bank.write(f"{KNOWN}\n{NOBODY}\nx;1", "b.txt"), dry_run=True)
    assert (summary.state, summary.repeated, summary.suspense, summary.refused) == (
        "dry_run", 1, 1, 1,
    )  # fmt: skip
    assert len(bank.store.log) == before


def test_the_quarantine_cannot_be_the_file(bank: BankHarness) -> None:
    path = bank.write(KNOWN, "a.csv")
    request = importing.ImportRequest(
        path=path, by="staff:x", reason="y", days=importing.DayRange(*[bank.clock.today()] * 2),
        quarantine=path,
    )  # fmt: skip
    with pytest.raises(ValidationFailed, match="name another file"):
        importing.import_file(bank.store, request, str, lambda *_: pytest.fail("read"))


def test_no_event_holds_a_name_an_address_or_a_purpose(bank: BankHarness) -> None:
    bank.load(bank.write(statement(document())))
    text = "Операция;Дата;Л/с;Сумма;ФИО\n1;21.11.2026;Фёдорова Алёна;1,00;Фёдорова Алёна"
    bank.load(bank.write(text, "b.txt"))
    bank.take()
    recorded = " ".join(str(one.event).casefold() for one in bank.store.log)
    for personal in ("дорова", "40817810000000000001", "оплата", "044525225"):
        assert personal not in recorded


def test_staff_assign_a_payment_and_it_is_posted(bank: BankHarness) -> None:
    bank.load(bank.write(NOBODY))
    payment_id = only(bank)
    assert assign(bank, payment_id, "0100000002")
    assert not assign(bank, payment_id, "0100000002")
    [assigned] = bank.events("BankPaymentAssigned")
    assert (assigned.by, assigned.reason) == ("staff:ivanova", "по чеку")
    posted(bank, payment_id, "0100000001")
    assert bank.states() == ["accepted"]
    posted(bank, payment_id, "0100000002")
    posted(bank, payment_id, "0100000002")
    assert bank.states() == ["posted"]
    assert len(bank.events("BankPaymentPosted")) == 1


def test_what_is_posted_can_neither_be_assigned_nor_returned(bank: BankHarness) -> None:
    bank.load(bank.write(KNOWN))
    bank.take()
    payment_id = only(bank)
    posted(bank, payment_id, "0100000001")
    with pytest.raises(Conflict, match="reversed first"):
        assign(bank, payment_id, "0100000002")
    with pytest.raises(Conflict, match="reversed first"):
        bank.store.transact(return_payment, ReturnPayment(payment_id=payment_id, reason="x"))


def test_a_reversed_posting_is_in_suspense_and_goes_to_another_account(bank: BankHarness) -> None:
    bank.load(bank.write(KNOWN))
    bank.take()
    payment_id = only(bank)
    posted(bank, payment_id, "0100000001")
    reverse(bank, payment_id, "0100000001")
    assert bank.payments()[0]["state"] == "suspended"
    bank.take()
    assert bank.payments()[0]["state"] == "suspended"
    with pytest.raises(Conflict, match="was reversed"):
        assign(bank, payment_id, "0100000001")
    assert assign(bank, payment_id, "0100000002")


def test_a_returned_payment_is_never_posted(bank: BankHarness) -> None:
    bank.load(bank.write(NOBODY))
    payment_id = only(bank)
    command = ReturnPayment(payment_id=payment_id, reason="плательщик просит")
    assert bank.store.transact(return_payment, command)
    assert not bank.store.transact(return_payment, command)
    with pytest.raises(Conflict):
        assign(bank, payment_id, "0100000001")
    assert bank.states() == ["returned"]


def test_a_payment_that_no_register_has_is_not_found(bank: BankHarness) -> None:
    with pytest.raises(NotFound):
        assign(bank, UUID(int=5), "0100000001")


@pytest.mark.parametrize("amount", ["4510.00", "4464.90"])
@pytest.mark.parametrize("register_first", [True, False])
def test_the_transfer_of_a_register_is_posted_to_nobody(
    bank: BankHarness, amount: str, *, register_first: bool
) -> None:
    register = bank.write(f"{KNOWN}\n{UNKNOWN}")
    transfer = bank.write(
        statement(document("5", Сумма=amount, НазначениеПлатежа=TRANSFER)), "statement.txt"
    )
    for path in (register, transfer) if register_first else (transfer, register):
        bank.load(path)
        bank.take()
    bank.take()
    states = {row["document"]: row["state"] for row in bank.payments()}
    assert states == {"777": "accepted", "778": "suspended", "5": "covered"}


def test_a_transfer_that_fits_no_register_is_left_to_staff(bank: BankHarness) -> None:
    bank.load(bank.write(KNOWN))
    transfer = document("5", Сумма="4500.02", НазначениеПлатежа=TRANSFER)
    bank.load(bank.write(statement(transfer), "statement.txt"))
    bank.take()
    row = bank.payments()[-1]
    assert (row["state"], row["reason"]) == ("suspended", "register_transfer")


def test_one_register_has_one_transfer(bank: BankHarness) -> None:
    bank.load(bank.write(KNOWN))
    transfers = (document(n, Сумма="4500.00", НазначениеПлатежа=TRANSFER) for n in ("5", "6"))
    bank.load(bank.write(statement(*transfers), "statement.txt"))
    for _ in range(3):
        bank.take()
    assert sorted(bank.states()) == ["accepted", "covered", "suspended"]

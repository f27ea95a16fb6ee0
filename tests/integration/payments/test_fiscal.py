"""Fiscal receipts on PostgreSQL: asked for from the log, registered once, kept without names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from services.payments.domain import PaymentOrder
from services.payments.events import Line, MoneyReturned, RefundLine
from services.payments.fiscal import FiscalRegistrar, application, registration
from services.payments.fiscal.atol import connect
from services.payments.fiscal.domain import receipt_id_of
from services.payments.service import PaymentsService
from shared.errors import NotFound
from shared.eventstore import Session
from tests.fiscal_registrar import Registrar, running_registrar

pytestmark = pytest.mark.nodes

ZONE = ZoneInfo("Europe/Moscow")
EMAIL = "payer@saldo.example"


class NoAccounts:
    """Accounts, which know nobody's."""

    def call(self, service: str, method: str, **_: Any) -> Any:
        raise NotFound("account_not_linked", f"{service}.{method}: none.")


class FiscalHarness:
    """Payments that are captured and returned without an acquirer, and their receipts."""

    def __init__(self, store: Any, registrar: Registrar, port: FiscalRegistrar) -> None:
        self.store = store
        self.registrar = registrar
        self.settings = registrar.settings
        self.port = port
        self.asked: list[UUID] = []
        self.address: str | None = EMAIL

    def buyer(self, person_id: UUID) -> str | None:
        self.asked.append(person_id)
        return self.address

    def pay(self, *lines: Line) -> UUID:
        payment_id = uuid4()

        def captured(session: Session, _: None) -> None:
            payment = session.load(PaymentOrder, payment_id)
            payment.start(uuid4(), lines)
            payment.capture(payment.total, session.now, session.today, None)

        self.store.transact(captured, None)
        return payment_id

    def give_back(
        self, payment_id: UUID, *lines: RefundLine, whole: bool = False, total: int | None = None
    ) -> UUID:
        refund_id = uuid4()

        def returned(session: Session, _: None) -> None:
            payment = session.load(PaymentOrder, payment_id)
            payment.trigger(
                MoneyReturned(
                    refund_id=refund_id,
                    person_id=payment.person_id,
                    lines=lines,
                    total=sum(line.amount for line in lines) if total is None else total,
                    returned_at=session.now,
                    refunded_on=session.today,
                    cause="bank",
                    whole=whole,
                )
            )

        self.store.transact(returned, None)
        return refund_id

    def work(self) -> None:
        """Do what the worker does, until the receipts that are accepted are registered."""
        registration.request_new(self.store, self.settings)
        self.make_due()
        registration.register_due(self.store, self.port, self.buyer)
        self.make_due()
        registration.register_due(self.store, self.port, self.buyer)

    def make_due(self, at: datetime = datetime(2020, 1, 1, tzinfo=UTC)) -> None:
        def now(session: Any, _: None) -> None:
            session.cursor.execute(
                "UPDATE fiscal_receipts SET due_at = %s WHERE due_at IS NOT NULL",
                (at,),
            )

        self.store.transact(now, None)

    def receipts(self, payment_id: UUID) -> list[dict[str, Any]]:
        found = self.store.query(
            lambda session: application.receipts_of(
                session, payment_id, "Europe/Moscow", offered=True
            )
        )
        receipts: list[dict[str, Any]] = found["receipts"]
        return receipts

    def open(self) -> list[dict[str, Any]]:
        listed = self.store.query(lambda session: application.open_receipts(session, 10))
        receipts: list[dict[str, Any]] = listed["receipts"]
        return receipts


@pytest.fixture(scope="module")
def registrar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registrar]:
    with running_registrar(tmp_path_factory.mktemp("registrar")) as running:
        yield running


@pytest.fixture
def harness(database: Any, registrar: Registrar) -> FiscalHarness:
    registrar.clear()
    made = FiscalHarness(database.store("payments"), registrar, connect(registrar.settings, ZONE))
    made.work()
    return made


def sums(receipt: dict[str, Any]) -> list[int]:
    return [item["sum"] for item in receipt["items"]]


def test_a_captured_payment_gets_one_registered_receipt(harness: FiscalHarness) -> None:
    payment_id = harness.pay(Line("0001", 450_000, 1_425), Line("0002", 810, 0))
    before = len(harness.registrar.receipts())
    for _ in range(3):
        harness.work()
    [receipt] = harness.receipts(payment_id)
    assert (receipt["state"], receipt["kind_code"], receipt["total"]) == ("registered", 1, 452_235)
    assert sums(receipt) == [450_000, 1_425, 810]
    assert [item["vat_code"] for item in receipt["items"]] == [11, 6, 11]
    assert [item["subject_code"] for item in receipt["items"]] == [4, 10, 4]
    at = datetime.fromisoformat(receipt["issued_at"]).astimezone(ZONE)
    numbers = f"fn={receipt['drive']}&i={receipt['document']}&fp={receipt['sign']}"
    assert receipt["code"] == f"t={at:%Y%m%dT%H%M}&s=4522.35&{numbers}&n=1"
    taken = harness.registrar.receipts()
    assert len(taken) == before + 1
    assert taken[-1]["client"] == EMAIL


def test_a_first_payment_gets_a_receipt_although_the_worker_comes_late(
    database: Any, registrar: Registrar
) -> None:
    store = database.store("payments")
    made = FiscalHarness(store, registrar, connect(registrar.settings, ZONE))
    before = made.pay(Line("0001", 100, 0))
    service = PaymentsService()
    service.store = store
    service.services = NoAccounts()
    service.settings = replace(database.settings, fiscal=registrar.settings)
    lines = [{"account": "0001", "amount": 100, "penalty": 0}]
    for _ in range(2):
        with pytest.raises(NotFound):
            service.start(person_id=uuid4(), lines=lines, acquirer=None)
        payment_id = made.pay(Line("0001", 100, 0))
    made.work()
    assert made.receipts(before) == []
    assert [one["total"] for one in made.receipts(payment_id)] == [100]


def test_what_goes_back_gets_receipts_that_add_up_to_the_payment(harness: FiscalHarness) -> None:
    payment_id = harness.pay(Line("0001", 9_000, 1_000))
    harness.give_back(payment_id, RefundLine("0001", 5_001))
    harness.give_back(payment_id, RefundLine("0001", 4_999), whole=True)
    harness.work()
    income, *returns = harness.receipts(payment_id)
    assert [one["kind_code"] for one in returns] == [2, 2]
    assert [sums(one) for one in returns] == [[4_501, 500], [4_499, 500]]
    assert {one["state"] for one in (income, *returns)} == {"registered"}
    operations = [one["operation"] for one in harness.registrar.receipts()[-3:]]
    assert sorted(operations) == ["sell", "sell_refund", "sell_refund"]


def test_money_that_the_bank_returns_beside_a_refund_has_a_receipt_too(
    harness: FiscalHarness,
) -> None:
    payment_id = harness.pay(Line("0001", 100, 0))
    harness.give_back(payment_id, total=30)
    harness.give_back(payment_id, RefundLine("0001", 70), whole=True)
    harness.give_back(payment_id, total=5)
    harness.work()
    assert [one["total"] for one in harness.receipts(payment_id)] == [100, 30, 70]


def test_a_receipt_names_the_seller_of_its_day(harness: FiscalHarness) -> None:
    payment_id = harness.pay(Line("0001", 100, 0))
    harness.work()
    harness.settings = replace(harness.settings, seller="ООО «Новый центр»")
    later = harness.pay(Line("0001", 100, 0))
    harness.work()
    names = [harness.receipts(one)[0]["seller"]["name"] for one in (payment_id, later)]
    assert names == ["ООО «Примерский расчётный центр»", "ООО «Новый центр»"]


def test_nothing_is_made_up_for_what_was_paid_before_there_was_a_registrar(
    database: Any, registrar: Registrar
) -> None:
    harness = FiscalHarness(
        database.store("payments"), registrar, connect(registrar.settings, ZONE)
    )
    payment_id = harness.pay(Line("0001", 100, 0))
    harness.work()
    harness.give_back(payment_id, RefundLine("0001", 100), whole=True)
    harness.work()
    assert harness.receipts(payment_id) == []
    assert harness.receipts(harness.pay(Line("0001", 100, 0))) == []


def test_a_receipt_that_a_clock_ahead_has_postponed_is_asked_for_now(
    harness: FiscalHarness,
) -> None:
    payment_id = harness.pay(Line("0001", 100, 0))
    registration.request_new(harness.store, harness.settings)
    ahead = harness.store.clock.now() + timedelta(days=2)
    for _ in range(2):
        harness.make_due(ahead)
        registration.register_due(harness.store, harness.port, harness.buyer)
    assert harness.receipts(payment_id)[0]["state"] == "registered"


def test_a_lost_answer_leads_to_no_second_receipt(harness: FiscalHarness) -> None:
    harness.registrar.faults(lose_answers=True)
    payment_id, before = harness.pay(Line("0001", 100, 0)), len(harness.registrar.receipts())
    harness.work()
    assert harness.receipts(payment_id)[0]["state"] == "requested"
    harness.registrar.clear()
    harness.work()
    assert harness.receipts(payment_id)[0]["state"] == "registered"
    assert len(harness.registrar.receipts()) == before + 1


def test_a_refused_receipt_is_sent_again_by_staff_alone(harness: FiscalHarness) -> None:
    harness.registrar.faults(refuse=True)
    payment_id = harness.pay(Line("0001", 100, 0))
    harness.work()
    harness.registrar.clear()
    harness.work()
    [refused] = harness.open()
    assert (refused["payment_id"], refused["state"]) == (str(payment_id), "refused")
    assert refused["reason"]
    command = application.RetryReceipt(receipt_id=UUID(refused["receipt_id"]), reason="a new shift")
    assert harness.store.execute(application.retry_receipt, command)["attempt"] == 2
    harness.work()
    assert harness.receipts(payment_id)[0]["state"] == "registered"
    assert harness.open() == []


def test_an_unknown_receipt_is_not_sent_again(harness: FiscalHarness) -> None:
    command = application.RetryReceipt(receipt_id=receipt_id_of(uuid4()), reason="why")
    with pytest.raises(NotFound):
        harness.store.execute(application.retry_receipt, command)


def test_a_receipt_waits_while_the_address_of_the_buyer_cannot_be_asked(
    harness: FiscalHarness,
) -> None:
    harness.address = None
    payment_id = harness.pay(Line("0001", 100, 0))
    harness.work()
    assert harness.receipts(payment_id)[0]["state"] == "requested"
    harness.address = EMAIL
    harness.work()
    assert harness.receipts(payment_id)[0]["state"] == "registered"


def test_neither_log_nor_table_has_the_address_of_the_buyer(harness: FiscalHarness) -> None:
    harness.pay(Line("0001", 100, 0))
    harness.work()

    def stored(session: Any) -> str:
        rows = session.cursor.execute(
            "SELECT encode(state, 'escape') AS text FROM events"
            " UNION ALL SELECT to_jsonb(fiscal_receipts)::text FROM fiscal_receipts"
        ).fetchall()
        return "\n".join(row["text"] for row in rows)

    assert harness.asked
    text = harness.store.query(stored)
    assert "fiscal" in text or "lines" in text
    assert EMAIL not in text

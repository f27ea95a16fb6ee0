"""Reconciliation on real nodes: it says what a comparison from outside says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import msgspec
import psycopg
import pytest
from prometheus_client import REGISTRY

from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.domain.events import TakenElsewhere
from services.ledger.loading import load_account
from services.ledger.reports import payment_days
from services.payments import application, staff_views
from services.payments.acquirers import Order
from services.payments.application import CapturePayment
from services.payments.events import Line
from services.payments.reconciliation import runs, worker
from services.payments.reconciliation.findings import Finding, Kind, Source, What
from services.payments.reconciliation.nightly import RETRY_AFTER
from services.payments.reconciliation.reconciler import Reconciler, Result
from services.payments.reconciliation.registered import register_lines
from services.payments.reconciliation.worker import Reconciliations, look, poll
from services.payments.registers.receiving import (
    FinishRegister,
    ReceivePayments,
    ReceiveRegister,
    TakePayments,
    finish_register,
    receive_payments,
    receive_register,
    take_payments,
)
from services.payments.registers.rows import Payment
from shared import context
from shared.acquirer_settings import AcquirerSettings
from shared.errors import Unavailable
from tests.fixed_clock import FixedClock
from tests.integration.payments.bank_process import PASSWORD, PAYS, BankProcess, Merchant, press_pay
from tests.integration.payments.test_payments import PaymentHarness
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

A, B = "0100000001", "0100000002"
ZONE = ZoneInfo("Europe/Moscow")


class Books:
    """Payments, a bank and the ledger, without the bus between them."""

    def __init__(self, database: Any, acquirer: Any, merchant: Merchant, bank: BankProcess) -> None:
        self.database, self.bank = database, bank
        self.payments = PaymentHarness(database.store("payments"), acquirer, merchant)
        self.store = self.payments.store
        self.ledger = database.store("ledger")
        self.today: date = self.store.clock.today()
        for number in (A, B):
            self.ledger.execute(open_account, OpenAccount(number=number, payer_kind="household"))

    def paid(self, *lines: Line) -> str:
        """Have a payment paid at the bank, whose callback is lost."""
        started = self.payments.start(*lines)
        press_pay(started["redirect_url"], PAYS)
        number = UUID(started["payment_id"]).hex
        eventually(lambda: self.bank.orders()[number]["charged"], "the charge")
        self.payments.person_id = uuid4()
        return str(started["payment_id"])

    def captured(self, *lines: Line) -> str:
        payment_id = self.paid(*lines)
        poll(self.store, self.payments.acquirers, UUID(payment_id), ())
        return payment_id

    def posted(self, *lines: Line) -> str:
        """Have a payment captured and posted."""
        payment_id = self.captured(*lines)
        self.post(payment_id, *lines)
        return payment_id

    def post(self, payment_id: str, *lines: Line) -> None:
        paid = tuple(PaidLine(account=x.account, amount=x.amount, penalty=x.penalty) for x in lines)
        command = PostPayment(payment_id=UUID(payment_id), paid_on=self.today, lines=paid)
        with context.bind(actor="service:payments"):
            self.ledger.execute(post_payment, command)

    def reverse(self, payment_id: str, account: str) -> None:
        def reversing(session: Any, _: None) -> None:
            load_account(session, account).reverse_payment(UUID(payment_id), self.today, "act 7")

        with context.bind(actor="staff:ivanova"):
            self.ledger.transact(reversing, None)

    def refund_at_bank(self, payment_id: str, amount: int) -> None:
        order = Order(order_number=UUID(payment_id).hex, order_id=None)
        acquirer = self.payments.acquirers.by_name["main"]
        charged = self.bank.orders()[order.order_number]["charged"]
        acquirer.give_back(order, amount, charged, uuid4())

    def register(self, *, account: str, suspense: str) -> UUID:
        """Import a bank's register with one payment of 8,00."""
        register_id, payment_id = uuid4(), uuid4()
        row = Payment(
            payment_id=payment_id,
            row=1,
            bank="sber",
            document="17",
            paid_on=self.today,
            amount=800,
            fee=8,
            account=account,
            suspense=suspense,
        )
        register = ReceiveRegister(
            register_id=register_id,
            file="r.txt",
            digest="0" * 64,
            kind="register",
            bank="sber",
            rows=1,
            refused=0,
            total=800,
            fee=8,
            last_day=self.today,
            by="staff:ivanova",
            reason="r",
        )
        self.store.transact(receive_register, register)
        received = ReceivePayments(register_id=register_id, payments=(row,), by_account=True)
        self.store.transact(receive_payments, received)
        finished = FinishRegister(register_id=register_id, payments=1, differing=0)
        self.store.transact(finish_register, finished)
        return payment_id

    def call(self, service: str, method: str, **arguments: Any) -> Any:
        """Call the ledger as its service does, and pass the answer on as the bus does."""
        if method == "payments_of_day":
            arguments["day"] = date.fromisoformat(arguments["day"])
            read = partial(payment_days.payments_of_day, **arguments)
            return msgspec.json.decode(msgspec.json.encode(self.ledger.query(read)))
        ids = [UUID(one) for one in arguments["payment_ids"]]
        found = self.ledger.query(partial(payment_days.payments_posted, payment_ids=ids))
        return {"payments": msgspec.json.decode(msgspec.json.encode(found))}

    def reconcile(self, day: date | None = None) -> Result:
        acquirers = self.payments.acquirers
        reconciler = Reconciler(
            self.store,
            acquirers.by_name,
            ZONE,
            self.call,
            partial(poll, self.store, acquirers),
            register_lines,
        )
        with context.bind(actor="service:payments"):
            return reconciler.reconcile(day or self.today)

    def from_outside(self) -> dict[str, int]:
        """Return by payment what the bank holds less what the ledger holds, as tables have it."""
        found: dict[str, int] = {}
        for number, order in self.bank.orders().items():
            payment_id = str(UUID(number))
            found[payment_id] = order["charged"] - order["returned"]
        with psycopg.connect(self.database.settings.database_url) as owner:
            rows = owner.execute(
                "SELECT convert_from(state, 'UTF8')::json ->> 'payment_id', sum("
                " CASE WHEN topic = 'ledger.payment_posted.v1' THEN 1 ELSE -1 END * ("
                "  (convert_from(state, 'UTF8')::json ->> 'amount')::bigint +"
                "  coalesce((convert_from(state, 'UTF8')::json ->> 'penalty')::bigint, 0)))"
                " FROM ledger.events WHERE topic IN ('ledger.payment_posted.v1',"
                " 'ledger.payment_reversed.v1', 'ledger.payment_refunded.v1') GROUP BY 1"
            ).fetchall()
        for payment_id, amount in rows:
            found[payment_id] = found.get(payment_id, 0) - int(amount)
        return {payment_id: gap for payment_id, gap in found.items() if gap}


@pytest.fixture
def books(database: Any, acquirer: Any, merchant: Merchant, bank: BankProcess) -> Iterator[Books]:
    bank.faults(drop_callbacks=True)
    before = bank.orders().keys()
    made = Books(database, acquirer, merchant, bank)
    orders = bank.orders
    # The bank lives longer than the database: what it has of other tests is not of this one.
    made.bank.orders = lambda: {n: one for n, one in orders().items() if n not in before}  # type: ignore[method-assign]
    yield made
    made.bank.orders = orders  # type: ignore[method-assign]


def of(result: Result, payment_id: str) -> Finding:
    [found] = [one for one in result.findings if one.payment_id == payment_id]
    return found


def whats(finding: Finding) -> list[tuple[Source, Kind, tuple[What, ...]]]:
    return [(one.source, one.kind, one.what) for one in finding.differences]


def test_every_broken_case_is_found_and_what_polling_settles_is_settled(books: Books) -> None:
    good = books.posted(Line(A, 300, 20), Line(B, 200, 0))
    lost = books.paid(Line(A, 400, 0))
    unposted = books.captured(Line(B, 500, 0))
    given_back = books.posted(Line(A, 600, 0))
    books.refund_at_bank(given_back, 600)
    reversed_ = books.posted(Line(A, 700, 0), Line(B, 50, 0))
    books.reverse(reversed_, B)
    invented = str(uuid4())
    books.post(invented, Line(A, 900, 0))

    result = books.reconcile()

    assert of(result, good).kind is Kind.MATCHED
    assert whats(of(result, lost)) == [(Source.ACQUIRER, Kind.MISSING_HERE, (What.PAYMENT,))]
    assert result.polled[lost].settled
    assert result.polled[lost].state == "captured"
    assert whats(of(result, unposted)) == [(Source.LEDGER, Kind.MISSING_THERE, (What.PAYMENT,))]
    assert whats(of(result, given_back)) == [(Source.ACQUIRER, Kind.DIFFERING, (What.RETURNED,))]
    assert result.polled[given_back].settled
    assert result.polled[given_back].state == "refunded"
    assert whats(of(result, reversed_)) == [(Source.LEDGER, Kind.DIFFERING, (What.STATE,))]
    [difference] = of(result, reversed_).differences
    assert difference.command == (
        f"saldo payments refund {reversed_} --account {B} --amount 0,50 --reason WHY"
    )
    assert whats(of(result, invented)) == [(Source.LEDGER, Kind.MISSING_HERE, (What.PAYMENT,))]
    outside = books.from_outside()
    differing = {one.payment_id for one in result.findings if one.kind is not Kind.MATCHED}
    strangers = {one.payment_id for one in result.findings if one.ours is None and one.orders}
    assert outside.keys() == differing - strangers


def test_a_second_run_finds_only_what_is_still_open(books: Books) -> None:
    lost = books.paid(Line(A, 400, 0))
    assert books.reconcile().differing
    books.post(lost, Line(A, 400, 0))
    again = books.reconcile()
    assert of(again, lost).kind is Kind.MATCHED
    assert books.from_outside() == {}


def test_a_charge_that_the_bank_does_not_know_is_missing_there(books: Books) -> None:
    started = books.payments.start(Line(A, 100, 0))
    command = CapturePayment(
        payment_id=UUID(started["payment_id"]), amount=100, captured_at=None, masked_card=None
    )
    books.store.transact(application.capture_payment, command)
    books.post(started["payment_id"], Line(A, 100, 0))
    finding = of(books.reconcile(), started["payment_id"])
    assert whats(finding) == [(Source.ACQUIRER, Kind.MISSING_THERE, (What.PAYMENT,))]


def test_a_charge_of_another_sum_differs_until_it_went_back(books: Books) -> None:
    books.bank.faults(charges_other_amount=7)
    payment_id = books.captured(Line(A, 400, 0))
    finding = of(books.reconcile(), payment_id)
    assert whats(finding) == [(Source.ACQUIRER, Kind.DIFFERING, (What.SUM,))]
    books.refund_at_bank(payment_id, 407)
    poll(books.store, books.payments.acquirers, UUID(payment_id), ())
    assert of(books.reconcile(), payment_id).kind is Kind.MATCHED


def test_a_refund_of_an_earlier_day_is_found_by_the_look_back(books: Books) -> None:
    payment_id = books.posted(Line(A, 400, 0))
    books.refund_at_bank(payment_id, 150)
    result = books.reconcile(books.today + timedelta(days=1))
    [finding] = [one for one in result.earlier if one.payment_id == payment_id]
    assert whats(finding) == [(Source.ACQUIRER, Kind.DIFFERING, (What.RETURNED,))]
    assert result.polled[payment_id].settled
    assert result.polled[payment_id].state == "partly_refunded"


def test_a_register_line_in_suspense_is_missing_here(books: Books) -> None:
    payment_id = books.register(account="", suspense="no_account")
    finding = of(books.reconcile(), str(payment_id))
    assert whats(finding) == [(Source.REGISTER, Kind.MISSING_HERE, (What.STATE,))]
    [difference] = finding.differences
    assert difference.command.startswith(f"saldo payments assign {payment_id}")


def test_a_posted_register_line_is_matched_with_its_posting(books: Books) -> None:
    payment_id = books.register(account=A, suspense="")
    known = TakePayments(payment_ids=(payment_id,), known=frozenset({A}))
    books.store.transact(take_payments, known)
    finding = of(books.reconcile(), str(payment_id))
    assert whats(finding) == [(Source.REGISTER, Kind.MISSING_HERE, (What.PAYMENT,))]

    command = PostPayment(
        payment_id=payment_id,
        paid_on=books.today,
        lines=(PaidLine(account=A, amount=800, penalty=0),),
        taken=TakenElsewhere(place="bank", document="17"),
    )
    with context.bind(actor="service:ledger"):
        books.ledger.execute(post_payment, command)
    assert of(books.reconcile(), str(payment_id)).kind is Kind.MATCHED
    books.reverse(str(payment_id), A)
    finding = of(books.reconcile(), str(payment_id))
    assert whats(finding) == [(Source.REGISTER, Kind.DIFFERING, (What.STATE,))]


def test_the_sums_by_kind_are_what_each_source_holds(books: Books) -> None:
    books.posted(Line(A, 300, 20), Line(B, 200, 0))
    books.paid(Line(A, 400, 0))
    result = books.reconcile()
    summary = runs.summary_of(result)
    for source in Source:
        for field in ("records", "amount", "returned"):
            kinds = summary["kinds"][source].values()
            assert sum(one[field] for one in kinds) == summary["sources"][source][field]
    assert summary["sources"]["ledger"]["amount"] == 520
    assert summary["sources"]["acquirer"]["amount"] >= 920


def test_a_silent_bank_is_said_and_nothing_is_concluded(books: Books) -> None:
    books.posted(Line(A, 300, 0))
    books.bank.kill()
    try:
        with pytest.raises(Unavailable) as silent:
            books.reconcile()
        assert silent.value.code == "acquirer_unavailable"
    finally:
        books.bank.start()


def test_a_run_is_claimed_kept_and_fenced(books: Books) -> None:
    books.paid(Line(A, 400, 0))
    with context.bind(actor="staff:ivanova"):
        asked = books.store.transact(runs.request, books.today)
        assert books.store.transact(runs.request, books.today) == asked
    first = books.store.transact(lambda session, _: runs.claim(session), None)
    second = books.store.transact(lambda session, _: runs.claim(session), None)
    assert first is not None
    assert second is not None
    assert second.attempt == first.attempt + 1
    result = books.reconcile()
    assert not books.store.transact(lambda s, _: runs.finish(s, first, result), None)
    assert books.store.transact(lambda s, _: runs.finish(s, second, result), None)
    shown = books.store.query(
        lambda session: runs.run(session, second.reconciliation_id, 0, 100, matched=False)
    )
    assert shown["state"] == "done"
    assert shown["requested_by"] == "staff:ivanova"
    assert shown["findings"][0]["kind"] == "missing_here"
    assert books.store.transact(lambda session, _: runs.claim(session), None) is None


class Services:
    """What the worker gives to its job."""

    def __init__(self, books: Books, clock: FixedClock) -> None:
        acquirer = AcquirerSettings(
            name="main", protocol="rbs", url=books.bank.url, user="saldo", password=PASSWORD
        )
        self.settings = replace(books.database.settings, acquirers=(acquirer,))
        self.store = books.database.store("payments", clock=clock)
        self.stop: worker.Stop = threading.Event()
        self.books = books

    def call(self, service: str, method: str, *, deadline: float = 5.0, **arguments: Any) -> Any:
        return self.books.call(service, method, **arguments)


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"saldo_payments_{name}", labels)


def test_each_night_yesterday_is_reconciled_and_what_is_open_is_shown(books: Books) -> None:
    lost = books.paid(Line(A, 400, 0))
    tomorrow = datetime.combine(books.today + timedelta(days=1), time(4, 58), ZONE)
    clock = FixedClock(tomorrow)
    services = Services(books, clock)
    job = Reconciliations()

    def run_to_the_end() -> None:
        clock.advance(timedelta(seconds=1))
        job.run(services)
        eventually(lambda: not job.is_busy, "the run has ended")

    run_to_the_end()  # The day before yesterday, as nothing was reconciled before.
    clock.advance(timedelta(minutes=2))
    look(services)
    assert gauge("reconciliation_due") == 1
    run_to_the_end()
    look(services)
    assert gauge("reconciliation_due") == 0
    newest, before = services.store.query(lambda session: runs.newest(session, 5))
    assert newest["day"] == books.today.isoformat()
    assert before["day"] == (books.today - timedelta(days=1)).isoformat()
    assert (newest["state"], newest["requested_by"]) == ("done", "service:payments")
    assert newest["summary"]["differences"] >= newest["summary"]["settled"] == 1
    # It was captured by the run itself, and the ledger knows nothing of it.
    assert services.store.query(lambda s: staff_views.shown(s, UUID(lost)))["state"] == "captured"
    again = services.store.transact(runs.request, books.today)
    run_to_the_end()
    look(services)
    assert gauge("reconciliation_differences", kind="missing_there") == 1
    assert gauge("stuck", what="not_posted") == 1
    books.post(lost, Line(A, 400, 0))
    services.store.transact(runs.request, books.today)
    run_to_the_end()
    look(services)
    assert gauge("reconciliation_differences", kind="missing_there") == 0
    assert again["state"] == "requested"


def test_a_night_without_an_answer_is_tried_again_a_while_later(books: Books) -> None:
    clock = FixedClock(datetime.combine(books.today + timedelta(days=1), time(6), ZONE))
    services, job = Services(books, clock), Reconciliations()
    books.bank.kill()
    try:
        job.run(services)
        eventually(lambda: not job.is_busy, "the run has ended")
    finally:
        books.bank.start()
    [failed] = services.store.query(lambda session: runs.newest(session, 5))
    assert failed["state"] == "failed"
    assert failed["failure"].startswith("acquirer_unavailable")
    look(services)
    assert len(services.store.query(lambda session: runs.newest(session, 5))) == 1
    clock.advance(RETRY_AFTER)
    job.run(services)
    eventually(lambda: not job.is_busy, "the run has ended")
    look(services)
    [made, _] = services.store.query(lambda session: runs.newest(session, 5))
    assert made["state"] == "done"

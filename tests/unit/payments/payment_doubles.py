"""Doubles of what payments work with: the acquirer, the ledger's events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from fake_tables import FakeReadModel

from services.payments.acquirers import (
    Callback,
    CallbackRequest,
    Done,
    FasterPayment,
    NewOrder,
    NumberTaken,
    Order,
    OrderReport,
    OrderState,
    Outcome,
    Refused,
    Registered,
    Registration,
    UnknownOutcome,
)
from services.payments.application import NO_LIMITS, Limits
from services.payments.callback import receive_callback
from services.payments.checkout import Checkout
from services.payments.domain import EVENTS
from services.payments.jobs import poll_due
from services.payments.polling import Acquirers
from services.payments.reactions import REACTIONS
from services.payments.refunding import due_refunds, make_refund
from services.payments.sweep import Sweep
from services.payments.views import OwnPayment, own_payment
from shared import context
from shared.bus import Message
from shared.errors import Unavailable
from shared.eventstore import MemoryStore
from tests.fixed_clock import FixedClock

NOON = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
PERSON = UUID("00000000-0000-4000-8000-0000000000aa")
SIGNATURE = "the acquirer's"
OTHER_PERSON = UUID("00000000-0000-4000-8000-0000000000bb")
RETURN_URL = "https://saldo.example/payments/{payment_id}"


class FakeAcquirer:
    """An acquirer in memory; `lose_next` loses the response to the next registrations."""

    def __init__(self, clock: FixedClock, *, two_steps: bool = False) -> None:
        self.clock = clock
        self.two_steps = two_steps
        self.orders: dict[str, dict[str, Any]] = {}
        self.registered: list[NewOrder] = []
        self.polled: list[str] = []
        self.closed: list[str] = []
        self.refunds: list[tuple[str, int]] = []
        self.lose_next = 0
        self.lose_refund = False
        self.is_silent = False
        self.can_close = True
        self.refuses_with: Registration | None = None
        self.refuses_refunds = False

    def register(self, order: NewOrder) -> Registration:
        if self.is_silent:
            return UnknownOutcome("silent")
        if self.refuses_with:
            return self.refuses_with
        if order.order_number in self.orders:
            return NumberTaken()
        self.registered.append(order)
        self.orders[order.order_number] = {
            "state": OrderState.PENDING,
            "ordered": order.amount,
            "charged": 0,
            "returned": 0,
        }
        if self.lose_next:
            self.lose_next -= 1
            return UnknownOutcome("ReadTimeout")
        order_id = f"bank-{order.order_number}"
        return Registered(order_id, f"https://bank.example/page?order={order_id}")

    def find_order(self, order: Order) -> OrderReport | None:
        self.polled.append(order.order_number)
        if self.is_silent:
            return OrderReport(state=OrderState.UNKNOWN, reason="silent")
        found = self.orders.get(order.order_number)
        return None if found is None else OrderReport(**found)

    def capture(self, order: Order, amount: int) -> Outcome:
        if self.is_silent:
            return UnknownOutcome("silent")
        found = self.orders[order.order_number]
        if found["state"] is not OrderState.HELD or found["charged"] != amount:
            return Refused("not held")
        found |= {"state": OrderState.PAID, "charged_at": self.clock.now()}
        return Done()

    def close(self, order: Order) -> Outcome:
        if self.is_silent:
            return UnknownOutcome("silent")
        found = self.orders[order.order_number]
        held = found["state"] is OrderState.HELD
        if not held and (not self.can_close or found["state"] is not OrderState.PENDING):
            return Refused("7")
        self.closed.append(order.order_number)
        found |= {"state": OrderState.EXPIRED, "charged": 0}
        return Done()

    def give_back(self, order: Order, amount: int, charged: int, refund_id: UUID) -> Outcome:
        if self.is_silent:
            return UnknownOutcome("silent")
        found = self.orders[order.order_number]
        if self.refuses_refunds or amount > found["charged"] - found["returned"]:
            return Refused("7")
        self.refunds.append((order.order_number, amount))
        self.give_back_at_bank(order.order_number, amount)
        if self.lose_refund:
            self.lose_refund = False
            return UnknownOutcome("ReadTimeout")
        return Done()

    def report(self, since: datetime, until: datetime) -> Iterator[OrderReport]:
        if self.is_silent:
            raise Unavailable("acquirer_unavailable", "The acquirer did not answer.")
        for number, order in self.orders.items():
            at = order.get("charged_at")
            if at is not None and since <= at < until:
                yield OrderReport(order_number=number, **order)

    def faster_payment(self, order: Order) -> FasterPayment | None:
        return FasterPayment(f"https://qr.example/{order.order_id}")

    def read_callback(self, request: CallbackRequest) -> Callback | None:
        genuine = request.parameters.get("signature") == SIGNATURE
        return Callback(request.parameters["order"]) if genuine else None

    def pay(self, order_number: str, amount: int | None = None) -> None:
        order = self.orders[order_number]
        state = OrderState.HELD if self.two_steps else OrderState.PAID
        order |= {"state": state, "charged_at": self.clock.now()}
        order |= {"charged": order["ordered"] if amount is None else amount}
        order |= {"masked_card": "411111**1111"}

    def give_back_at_bank(self, order_number: str, amount: int) -> None:
        order = self.orders[order_number]
        order |= {"state": OrderState.RETURNED, "returned": order["returned"] + amount}

    def decline(self, order_number: str, *, late: bool = False) -> None:
        self.orders[order_number] |= {"state": OrderState.EXPIRED if late else OrderState.DECLINED}


class Harness:
    """Payments with doubles of everything around it."""

    def __init__(self, *, returns_mismatch: bool = True) -> None:
        self.clock = FixedClock(NOON)
        self.tables = FakeReadModel()
        self.store = MemoryStore(EVENTS, self.tables, self.clock)
        self.acquirer = FakeAcquirer(self.clock)
        self.others: dict[str, FakeAcquirer] = {}
        self.returns_mismatch = returns_mismatch
        self.linked = {"0001", "0002", "0003"}
        self.access: dict[str, dict[str, str]] = {}
        """What the owner of an open first tenure has otherwise, by number."""
        self.ownership_asked = 0
        self.limits = NO_LIMITS
        self.sweep = Sweep()

    @property
    def acquirers(self) -> Acquirers:
        return Acquirers({"main": self.acquirer, **self.others}, self.returns_mismatch)

    @property
    def checkout(self) -> Checkout:
        return Checkout(self.store, self.acquirers, self._find_access, RETURN_URL, self.limits)

    def allow(self, **limits: int) -> None:
        self.limits = Limits(**limits)

    def _find_access(self, person_id: UUID, numbers: list[str]) -> dict[str, Any]:
        self.ownership_asked += 1
        owned = {"role": "owner", "state": "open"}
        return {
            number: {"account": number, **owned, **self.access.get(number, {})}
            for number in numbers
            if number in self.linked
        }

    def start(
        self,
        *lines: Any,
        command_id: UUID | None = None,
        person: UUID = PERSON,
        acquirer: str | None = None,
    ) -> Any:
        with context.bind(command_id=command_id or uuid4()):
            return self.checkout.start(person, lines, acquirer)

    def number(self, started: dict[str, Any]) -> str:
        return str(self.row(started)["order_number"])

    def row(self, started: dict[str, Any]) -> dict[str, Any]:
        return self.tables.payments[UUID(started["payment_id"])]

    def poll_of(self, started: dict[str, Any]) -> dict[str, Any] | None:
        return self.tables.polls.rows.get(UUID(started["payment_id"]))

    def view(self, started: dict[str, Any]) -> dict[str, Any]:
        query = OwnPayment(person_id=PERSON, payment_id=UUID(started["payment_id"]))
        return self.store.query(lambda session: own_payment(session, query))

    def advance(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))

    def call_back(self, started: dict[str, Any]) -> dict[str, Any]:
        parameters = {"order": self.number(started), "signature": SIGNATURE}
        return receive_callback(
            self.store, self.acquirers, "", CallbackRequest(parameters=parameters)
        )

    def poll(self) -> int:
        return poll_due(self.store, self.acquirers, RETURN_URL)

    def make_refunds(self) -> int:
        due = self.store.query(lambda session: due_refunds(session, 10))
        for refund in due:
            make_refund(self.store, self.acquirers, refund)
        return len(due)

    def swept(self) -> None:
        self.sweep.run(self.store, self.acquirers)

    def captured(self, *lines: Any) -> Any:
        """Return a payment that was started, paid, and captured by a callback."""
        started = self.start(*lines)
        self.acquirer.pay(self.number(started))
        self.call_back(started)
        return started

    def events(self) -> list[str]:
        return [type(recorded.event).__name__ for recorded in self.store.log]

    def ledger_says(self, type_: str, position: int, **data: Any) -> None:
        message = Message(
            id=f"ledger-{position}",
            type=type_,
            source="ledger",
            subject=data["account"],
            time=self.clock.now(),
            position=position,
            predecessor=position - 1,
            correlation_id="c",
            data={"amount": 1, "penalty": 0, **data},
        )
        handler = REACTIONS["ledger"][type_]
        services: Any = SimpleNamespace()
        self.store.transact(lambda session, _: handler(session, message, services), None)

    def ledger_posts(self, payment_id: str, account: str, position: int, **data: Any) -> None:
        self.ledger_says("payment_posted", position, payment_id=payment_id, account=account, **data)

"""Doubles of what payments work with: tables, the acquirer, the ledger's events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from services.payments.acquirers import (
    Callback,
    NewOrder,
    NumberTaken,
    OrderReport,
    OrderState,
    Registered,
    Registration,
    UnknownOutcome,
)
from services.payments.checkout import Checkout
from services.payments.domain import (
    EVENTS,
    LinePosted,
    OrderRegistered,
    PaymentCaptured,
    PaymentCompleted,
    PaymentExpired,
    PaymentFailed,
    PaymentStarted,
)
from services.payments.reactions import REACTIONS
from shared import context
from shared.bus import Message
from shared.eventstore import Aggregate, MemoryStore, Recorded
from tests.fixed_clock import FixedClock

NOON = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
PERSON = UUID("00000000-0000-4000-8000-0000000000aa")
SIGNATURE = "the acquirer's"
OTHER_PERSON = UUID("00000000-0000-4000-8000-0000000000bb")


class FakePollSchedule:
    """The table `polls` as a dictionary."""

    def __init__(self, payments: dict[UUID, dict[str, Any]]) -> None:
        self.rows: dict[UUID, dict[str, Any]] = {}
        self._payments = payments

    def put(
        self, payment_id: UUID, since: datetime, attempts: int, due_at: Any, outcome: str
    ) -> None:
        self.rows[payment_id] = {
            "since": since,
            "attempts": attempts,
            "due_at": due_at,
            "outcome": outcome,
        }

    def find(self, payment_id: UUID) -> dict[str, Any] | None:
        return self.rows.get(payment_id)

    def record_outcome(self, payment_id: UUID, outcome: str) -> None:
        if payment_id in self.rows:
            self.rows[payment_id]["outcome"] = outcome

    def due(self, now: datetime, limit: int) -> list[dict[str, Any]]:
        due = [
            (row["due_at"], payment_id)
            for payment_id, row in self.rows.items()
            if row["due_at"] is not None and row["due_at"] <= now
        ]
        return [self._payments[payment_id] for _, payment_id in sorted(due)[:limit]]

    def remove(self, payment_id: UUID) -> None:
        self.rows.pop(payment_id, None)


class FakeReadModel:
    """The tables of payments as dictionaries."""

    def __init__(self) -> None:
        self.payments: dict[UUID, dict[str, Any]] = {}
        self.payment_lines: dict[UUID, list[dict[str, Any]]] = {}
        self.polls = FakePollSchedule(self.payments)

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        for entry in recorded:
            if isinstance(entry.event, PaymentStarted):
                self._insert(entry, entry.event)
            else:
                self._change(self.payments[entry.originator_id], entry.event)

    def _insert(self, entry: Recorded, started: PaymentStarted) -> None:
        self.payments[entry.originator_id] = {
            "payment_id": entry.originator_id,
            "person_id": started.person_id,
            "order_number": started.order_number,
            "acquirer_order_id": None,
            "form_url": None,
            "state": "created",
            "total": started.total,
            "created_at": entry.recorded_at,
            "captured_at": None,
            "paid_on": None,
            "masked_card": None,
            "failure": None,
            "position": entry.position,
        }
        self.payment_lines[entry.originator_id] = [
            {"account": line.account, "amount": line.amount, "penalty": line.penalty}
            | {"posted": False}
            for line in started.lines
        ]

    def _change(self, row: dict[str, Any], event: Any) -> None:
        match event:
            case OrderRegistered(acquirer_order_id=order_id, form_url=form_url):
                row |= {"state": "awaiting_payment"}
                row |= {"acquirer_order_id": order_id, "form_url": form_url}
            case PaymentCaptured():
                row |= {"state": "captured", "captured_at": event.captured_at}
                row |= {"paid_on": event.paid_on, "masked_card": event.masked_card}
                row |= {"failure": None}
            case PaymentFailed(reason=reason):
                row |= {"state": "failed", "failure": reason}
            case PaymentExpired():
                row |= {"state": "expired", "failure": "expired"}
            case LinePosted(account=account):
                for line in self.payment_lines[row["payment_id"]]:
                    line["posted"] = line["posted"] or line["account"] == account
            case PaymentCompleted():
                row |= {"state": "completed"}

    def payment(self, payment_id: UUID) -> dict[str, Any] | None:
        row = self.payments.get(payment_id)
        return None if row is None else self._with_poll(row)

    def _with_poll(self, row: dict[str, Any]) -> dict[str, Any]:
        poll = self.polls.find(row["payment_id"]) or {"outcome": None, "due_at": None}
        return row | {"outcome": poll["outcome"], "next_check_at": poll["due_at"]}

    def payment_by_number(self, order_number: str) -> dict[str, Any] | None:
        found = [row for row in self.payments.values() if row["order_number"] == order_number]
        return found[0] if found else None

    def payments_of(
        self,
        person_id: UUID,
        before: int | None,
        limit: int,
        *,
        account: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[dict[str, Any]]:
        own = [
            self._with_poll(row)
            for row in self.payments.values()
            if row["person_id"] == person_id
            and (before is None or row["position"] < before)
            and (since is None or row["created_at"] >= since)
            and (until is None or row["created_at"] < until)
            and (
                account is None
                or account in {line["account"] for line in self.payment_lines[row["payment_id"]]}
            )
        ]
        return sorted(own, key=lambda row: -row["position"])[:limit]

    def lines(self, payment_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
        return {payment_id: self.payment_lines[payment_id] for payment_id in payment_ids}


class FakeAcquirer:
    """An acquirer in memory; `lose_next` loses the response to the next registration."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.orders: dict[str, dict[str, Any]] = {}
        self.registered: list[NewOrder] = []
        self.polled: list[str] = []
        self.lose_next = False
        self.is_silent = False
        self.refuses_with: Registration | None = None

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
        }
        if self.lose_next:
            self.lose_next = False
            return UnknownOutcome("ReadTimeout")
        order_id = f"bank-{order.order_number}"
        return Registered(order_id, f"https://bank.example/page?order={order_id}")

    def find_order(self, order_number: str, order_id: str | None) -> OrderReport | None:
        self.polled.append(order_number)
        if self.is_silent:
            return OrderReport(state=OrderState.UNKNOWN, reason="silent")
        order = self.orders.get(order_number)
        return None if order is None else OrderReport(**order)

    def read_callback(self, parameters: Mapping[str, str]) -> Callback | None:
        genuine = parameters.get("signature") == SIGNATURE
        return Callback(parameters["order"]) if genuine else None

    def pay(self, order_number: str, amount: int | None = None) -> None:
        order = self.orders[order_number]
        order |= {"state": OrderState.PAID, "charged_at": self.clock.now()}
        order |= {"charged": order["ordered"] if amount is None else amount}
        order |= {"masked_card": "411111**1111"}

    def decline(self, order_number: str, *, late: bool = False) -> None:
        self.orders[order_number] |= {"state": OrderState.EXPIRED if late else OrderState.DECLINED}


class Harness:
    """Payments with doubles of everything around it."""

    def __init__(self) -> None:
        self.clock = FixedClock(NOON)
        self.tables = FakeReadModel()
        self.store = MemoryStore(EVENTS, self.tables, self.clock)
        self.acquirer = FakeAcquirer(self.clock)
        self.linked = {"0001", "0002", "0003"}
        self.ownership_asked = 0
        self.checkout = Checkout(
            self.store,
            self.acquirer,
            self.clock,
            self._find_unlinked,
            "https://saldo.example/payments/{payment_id}",
        )

    def _find_unlinked(self, person_id: UUID, numbers: list[str]) -> list[str]:
        self.ownership_asked += 1
        return [number for number in numbers if number not in self.linked]

    def start(self, *lines: Any, command_id: UUID | None = None, person: UUID = PERSON) -> Any:
        with context.bind(command_id=command_id or uuid4()):
            return self.checkout.start(person, lines)

    def number(self, started: dict[str, Any]) -> str:
        return UUID(started["payment_id"]).hex

    def row(self, started: dict[str, Any]) -> dict[str, Any]:
        return self.tables.payments[UUID(started["payment_id"])]

    def poll_of(self, started: dict[str, Any]) -> dict[str, Any] | None:
        return self.tables.polls.rows.get(UUID(started["payment_id"]))

    def advance(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))

    def events(self) -> list[str]:
        return [type(recorded.event).__name__ for recorded in self.store.log]

    def ledger_posts(self, payment_id: str, account: str, position: int) -> None:
        message = Message(
            id=f"ledger-{position}",
            type="payment_posted",
            source="ledger",
            subject=account,
            time=self.clock.now(),
            position=position,
            predecessor=position - 1,
            correlation_id="c",
            data={"payment_id": payment_id, "account": account, "amount": 1, "penalty": 0},
        )
        handler = REACTIONS["ledger"]["payment_posted"]
        services: Any = SimpleNamespace()
        self.store.transact(lambda session, _: handler(session, message, services), None)

"""Bugs of the payments."""

from __future__ import annotations

from typing import Any

from tests.faults.bugs.planting import Function, plant

_ORDER = "services.payments.domain:PaymentOrder"


@plant("another-amount-is-credited", f"{_ORDER}.capture")
def _credit_more(original: Function) -> Function:
    def wrong(self: Any, amount: int, at: Any, day: Any, card: Any, *others: Any) -> None:
        from msgspec.structs import replace

        first, *lines = self.lines
        more = (replace(first, amount=first.amount + 100), *lines)
        original(self, amount + 100, at, day, card, more, *others[1:])

    return wrong


@plant("callback-is-believed", "services.payments.callback:poll_acquirer")
def _believe(original: Function) -> Function:
    """Whoever calls back is right: the order is paid, in full."""

    def wrong(store: Any, acquirers: Any, payment: Any) -> Any:
        from datetime import UTC, datetime

        from services.payments.acquirers import OrderReport, OrderState
        from services.payments.polling import record_report

        report = OrderReport(
            state=OrderState.PAID,
            ordered=payment.total,
            charged=payment.total,
            charged_at=datetime.now(UTC),
            order_number=payment.order_number,
        )
        return record_report(store, acquirers, payment, report)

    return wrong


@plant(
    "complete-before-it-is-posted", "services.payments.domain:PaymentOrder._complete_when_posted"
)
def _complete_at_once(original: Function) -> Function:
    def wrong(self: Any) -> None:
        from services.payments.events import PaymentCompleted

        if self.is_captured and not self.completed:
            self.trigger(
                PaymentCompleted(person_id=self.person_id, lines=self.lines, total=self.charged)
            )

    return wrong


@plant("receipt-is-registered-twice", "services.payments.fiscal.registration:_asked")
def _register_twice(original: Function) -> Function:
    """The cash register is given the receipt under another id as well."""

    def wrong(registrar: Any, row: Any, buyer: Any) -> Any:
        if not row["reference"]:
            original(registrar, {**row, "attempt": row["attempt"] + 1}, buyer)
        return original(registrar, row, buyer)

    return wrong

"""Bugs of the payments."""

from __future__ import annotations

from typing import Any

from tests.faults.bugs.planting import Function, plant


@plant("another-amount-is-credited", "services.payments.domain:PaymentOrder.capture")
def _credit_more(original: Function) -> Function:
    def wrong(self: Any, amount: int, *arguments: Any, **named: Any) -> None:
        from msgspec.structs import replace

        first, *others = self.lines
        more = (replace(first, amount=first.amount + 100), *others)
        original(self, amount + 100, *arguments, **{**named, "credited": more})

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

"""The payments of bank registers, as a reconciliation compares them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from services.payments.reconciliation.comparison import DIFFERS, SUSPENSE
from services.payments.reconciliation.findings import RegisterLine
from services.payments.registers.reports import (
    RegisterDifference,
    RegisterPayment,
    register_differences,
    register_payments,
)
from shared.eventstore import Session

COVERED: Final = "covered"
"""A transfer that is the total of a register, whose rows are compared one by one."""


def register_lines(session: Session, day: date) -> Sequence[RegisterLine]:
    """Return what banks took on a day, row by row; and the rows that a later file says otherwise.

    A row that differs from what is known of its document is a record of its own: the bank says it.
    """
    payments = register_payments(session, day)
    return [
        *(_line(payment) for payment in payments if payment.state != COVERED),
        *(_differing(row, day) for row in register_differences(session, day)),
    ]


def _line(payment: RegisterPayment) -> RegisterLine:
    suspended = payment.state == SUSPENSE
    return RegisterLine(
        register=payment.file,
        line=str(payment.row),
        payment_id=str(payment.payment_id),
        account=payment.account,
        day=payment.paid_on,
        amount=payment.amount,
        state=payment.state,
        command=(
            f"saldo payments assign {payment.payment_id} --account NUMBER --reason WHY"
            if suspended
            else ""
        ),
    )


def _differing(row: RegisterDifference, day: date) -> RegisterLine:
    return RegisterLine(
        register=row.file,
        line=str(row.row),
        payment_id=None,
        account=row.given_account,
        day=day,
        amount=row.given,
        state=DIFFERS,
        command=f"saldo ledger reverse {row.payment_id} --reason WHY",
    )

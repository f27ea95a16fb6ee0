"""``saldo payments``: the verbs of whoever looks after payments.

A verb is a function of a module of :mod:`services.payments.commands`. This is their only list.
"""

from __future__ import annotations

from services.payments.commands import (
    export,
    fiscal,
    payments,
    reconcile,
    refunds,
    registers,
    resolve,
)
from services.recovery.verb import recover_of
from services.terminal import StaffVerbs

app = StaffVerbs(
    "Payments: refunds, reconciliation, export; the files of banks, suspense; fiscal receipts.",
    languages=True,
)
app.reads("list")(payments.list_payments)
app.reads("show")(payments.show_payment)
app.reads("stuck")(payments.stuck)
app.writes("refund")(refunds.refund)
app.reads("refunds")(refunds.list_refunds)
app.writes("approve-refund")(refunds.approve_refund)
app.writes("reject-refund")(refunds.reject_refund)
app.writes("resolve")(resolve.resolve)
app.reads("reconcile", long=True)(reconcile.reconcile)
app.reads("reconciliations")(reconcile.reconciliations)
app.reads("export", long=True)(export.export)
app.writes("import", long=True)(registers.import_)
app.reads("suspense")(registers.suspense)
app.writes("assign")(registers.assign)
app.writes("return")(registers.return_)
app.reads("registers")(registers.registers)
app.reads("fiscal")(fiscal.fiscal)
app.writes("fiscal-retry")(fiscal.fiscal_retry)
app.writes("recover", long=True)(recover_of("payments"))

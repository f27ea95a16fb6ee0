"""``saldo payments``: the verbs of whoever looks after payments.

A verb is a function of a module of :mod:`services.payments.commands`. This is their only list.
"""

from __future__ import annotations

from services.verbs import StaffVerbs

app = StaffVerbs(
    "Payments: refunds, reconciliation, export; the files of banks, suspense; fiscal receipts.",
    "services.payments.commands",
    languages=True,
)
app.reads("list", ".payments:list_payments")
app.reads("show", ".payments:show_payment")
app.reads("stuck", ".payments:stuck")
app.writes("refund", ".refunds:refund")
app.reads("refunds", ".refunds:list_refunds")
app.writes("approve-refund", ".refunds:approve_refund")
app.writes("reject-refund", ".refunds:reject_refund")
app.writes("resolve", ".resolve:resolve")
app.reads("reconcile", ".reconcile:reconcile", long=True)
app.reads("reconciliations", ".reconcile:reconciliations")
app.reads("export", ".export:export", long=True)
app.writes("import", ".registers:import_", long=True)
app.reads("suspense", ".registers:suspense")
app.writes("assign", ".registers:assign")
app.writes("return", ".registers:return_")
app.reads("registers", ".registers:registers")
app.reads("fiscal", ".fiscal:fiscal")
app.writes("fiscal-retry", ".fiscal:fiscal_retry")
app.writes("recover", "services.recovery.verb:recover_of", "payments", long=True)

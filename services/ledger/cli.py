"""``saldo ledger``: the verbs of billing staff.

A verb is a function of a module of :mod:`services.ledger.commands`. This is their only list.
"""

from __future__ import annotations

from services.ledger.commands import (
    accruals,
    accrue,
    advances,
    audit,
    balances,
    close,
    corrections,
    export,
    import_files,
    papers,
    payments,
    penalty,
    policy,
    proposals,
    replay,
    seal,
    turnover,
)
from services.recovery.verb import recover_of
from services.terminal import StaffVerbs

app = StaffVerbs(
    "The ledger: charges, penalties, payments; balances, corrections, audit, seal.", languages=True
)
app.writes("import", long=True)(import_files.import_)
app.reads("balance")(balances.balance)
app.reads("statement")(balances.statement)
app.reads("advances", long=True)(advances.advances)
app.writes("pay")(payments.pay)
app.reads("find-payment")(payments.find_payment)
app.reads("overdue", long=True)(balances.overdue_)
app.reads("turnover", long=True)(turnover.turnover)
app.reads("trial-balance", long=True)(turnover.trial_balance)
app.writes("replay", long=True)(replay.replay)
app.reads("audit", long=True)(audit.audit)
app.writes("accrue", long=True)(accrue.accrue)
app.reads("accruals")(accruals.accruals_)
app.reads("penalty")(penalty.penalty)
app.reads("policy")(policy.policy)
app.reads("reconciliation")(papers.reconciliation)
app.reads("certificate")(papers.certificate)
app.reads("court-pack")(papers.court_pack)
app.writes("adjust")(corrections.adjust)
app.writes("reverse")(corrections.reverse)
app.writes("move-payment")(corrections.move_payment)
app.writes("write-off")(corrections.write_off)
app.writes("close")(close.close)
app.reads("proposals")(proposals.list_proposals)
app.reads("proposal")(proposals.show_proposal)
app.writes("approve")(corrections.approve)
app.writes("reject")(corrections.reject)
app.reads("export", long=True)(export.export)
app.reads("checkpoint", long=True)(seal.checkpoint)
app.reads("verify", long=True)(seal.verify)
app.reads("prove")(seal.prove)
app.reads("consistency")(seal.consistency)
app.reads("key")(seal.key)
app.writes("recover", long=True)(recover_of("ledger"))

"""``saldo ledger``: the verbs of billing staff.

A verb is a function of a module of :mod:`services.ledger.commands`. This is their only list.
"""

from __future__ import annotations

from services.verbs import StaffVerbs

app = StaffVerbs(
    "The ledger: charges, penalties, payments; balances, corrections, audit, seal.",
    "services.ledger.commands",
    languages=True,
    books=True,
    each_book=("accrue", "accruals", "audit", "checkpoint", "key", "recover", "replay", "verify"),
)
app.writes("import", ".import_files:import_", long=True)
app.reads("balance", ".balances:balance")
app.reads("statement", ".balances:statement")
app.reads("advances", ".advances:advances", long=True)
app.writes("pay", ".payments:pay")
app.reads("find-payment", ".payments:find_payment")
app.reads("overdue", ".balances:overdue_", long=True)
app.reads("turnover", ".turnover:turnover", long=True)
app.reads("trial-balance", ".turnover:trial_balance", long=True)
app.writes("replay", ".replay:replay", long=True)
app.reads("audit", ".audit:audit", long=True)
app.writes("accrue", ".accrue:accrue", long=True)
app.reads("accruals", ".accruals:accruals_")
app.reads("penalty", ".penalty:penalty")
app.reads("policy", ".policy:policy")
app.reads("reconciliation", ".papers:reconciliation")
app.reads("certificate", ".papers:certificate")
app.reads("court-pack", ".papers:court_pack")
app.writes("adjust", ".corrections:adjust")
app.writes("reverse", ".corrections:reverse")
app.writes("move-payment", ".corrections:move_payment")
app.writes("write-off", ".corrections:write_off")
app.writes("close", ".close:close")
app.reads("proposals", ".proposals:list_proposals")
app.reads("proposal", ".proposals:show_proposal")
app.writes("approve", ".corrections:approve")
app.writes("reject", ".corrections:reject")
app.reads("export", ".export:export", long=True)
app.reads("checkpoint", ".seal:checkpoint", long=True)
app.reads("verify", ".seal:verify", long=True)
app.reads("prove", ".seal:prove")
app.reads("consistency", ".seal:consistency")
app.reads("key", ".seal:key")
app.reads("books", ".books:books_")
app.writes("assign", ".books:assign_")
app.writes("move-book", ".move_book:move_book", long=True)
app.writes("recover", "services.recovery.verb:recover_of", "ledger", long=True)

"""``saldo ledger``: what billing staff do with the ledger from a terminal.

The verbs are functions of :mod:`services.ledger.commands` and of the packages that own their
subject. Exit codes: 0 done, 1 found a difference, 2 bad input. Reading verbs take ``--json``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from services.ledger.commands import (
    accruing,
    auditing,
    closing,
    correcting,
    exporting,
    importing,
    reading,
    replaying,
    summing,
)
from services.ledger.penalties import cli as penalties
from services.ledger.seal import cli as seal

VERBS: dict[str, Callable[..., Any]] = {
    "import": importing.import_,
    "balance": reading.balance,
    "statement": reading.statement,
    "overdue": reading.overdue_,
    "turnover": summing.turnover,
    "trial-balance": summing.trial_balance,
    "replay": replaying.replay,
    "audit": auditing.audit,
    "accrue": accruing.accrue,
    "penalty": penalties.penalty,
    "adjust": correcting.adjust,
    "reverse": correcting.reverse,
    "write-off": correcting.write_off,
    "close": closing.close,
    "proposals": correcting.list_proposals,
    "approve": correcting.approve,
    "reject": correcting.reject,
    "export": exporting.export,
    "checkpoint": seal.checkpoint,
    "verify": seal.verify,
    "prove": seal.prove,
    "consistency": seal.consistency,
    "key": seal.key,
}

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="The ledger: import, look, accrue, correct, replay, audit, seal, export.",
)
for _verb, _command in VERBS.items():
    app.command(_verb)(_command)

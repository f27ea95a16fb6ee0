"""``saldo ledger``: what billing staff do with the ledger from a terminal.

The verbs are functions of :mod:`services.ledger.commands` and of the packages that own their
subject. Exit codes: 0 done, 1 found a difference, 2 bad input. Reading verbs take ``--json``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from services.ledger.commands import (
    accrue,
    audit,
    balances,
    close,
    corrections,
    export,
    import_files,
    penalty,
    replay,
    seal,
    turnover,
)

VERBS: dict[str, Callable[..., Any]] = {
    "import": import_files.import_,
    "balance": balances.balance,
    "statement": balances.statement,
    "overdue": balances.overdue_,
    "turnover": turnover.turnover,
    "trial-balance": turnover.trial_balance,
    "replay": replay.replay,
    "audit": audit.audit,
    "accrue": accrue.accrue,
    "penalty": penalty.penalty,
    "adjust": corrections.adjust,
    "reverse": corrections.reverse,
    "write-off": corrections.write_off,
    "close": close.close,
    "proposals": corrections.list_proposals,
    "approve": corrections.approve,
    "reject": corrections.reject,
    "export": export.export,
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

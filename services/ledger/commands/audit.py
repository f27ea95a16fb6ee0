"""``saldo ledger audit``: everything that can be compared, compared; every difference named."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Annotated

import msgspec
import typer

from services.ledger.commands.printing import (
    DIFFERENCE,
    Json,
    counting,
    opened_store,
    out,
    print_json,
    reporting,
)
from services.ledger.replay import audit as auditor
from services.ledger.seal.inspection import inspect_seal
from services.ledger.seal.keys import seal_keys
from shared.config import load_settings


def audit(
    against: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="A checkpoint that was kept elsewhere."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="How many processes; one for each core when left out."),
    ] = None,
    json: Json = False,
) -> None:
    """Replay everything, add it up in SQL too, and compare both with what everybody reads.

    Also the log itself: positions, versions and times, commands, payments, the trial balance,
    the seal. A log that was cut off together with its seal shows only in a checkpoint that was
    kept elsewhere. Exit code 1 when anything differs.
    """
    began = monotonic()
    with reporting(), opened_store() as store:
        events = store.recorder.max_notification_id() or 0
        with counting("replaying", events) as advance:
            report = auditor.audit(store, advance, workers=workers)
        keys = seal_keys(load_settings())
        notes = [path.read_text(encoding="utf-8") for path in against or ()]
        with counting("checking the seal", events) as advance:
            seal = store.query(
                lambda session: inspect_seal(session.cursor, keys.trusted, notes, advance)
            )
    if json:
        print_json({**msgspec.structs.asdict(report), "seal": seal})
    else:
        for found in report.differences:
            out.print(
                f"{found.account or 'log'}: {found.what}: the replay says {found.replayed}, "
                f"there stands {found.found}",
                soft_wrap=True,
            )
        for finding in seal.findings:
            out.print(f"seal: {finding.text}", soft_wrap=True)
        out.print(
            f"{report.accounts} accounts, {report.events} events, {seal.sealed} of them sealed; "
            f"{len(report.differences) + len(seal.findings)} differences; the trial balance is "
            f"{sum(report.trial_balance.values())}; {monotonic() - began:.1f} s",
            soft_wrap=True,
        )
    raise typer.Exit(DIFFERENCE if report.differences or seal.findings else 0)

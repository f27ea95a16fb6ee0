"""``saldo ledger audit``: everything that can be compared, compared; every difference named."""

from __future__ import annotations

from time import monotonic

import typer

from services.ledger import audit as auditor
from services.ledger.commands.printing import (
    DIFFERENCE,
    Json,
    counting,
    opened_store,
    out,
    print_json,
    reporting,
)


def audit(json: Json = False) -> None:
    """Replay everything, add it up in SQL too, and compare both with what everybody reads.

    Also the log itself: positions, versions and times, commands, payments, the trial balance.
    Exit code 1 when anything differs.
    """
    began = monotonic()
    with reporting(), opened_store() as store:
        events = store.recorder.max_notification_id() or 0
        with counting("replaying", events) as advance:
            report = auditor.audit(store, advance)
        # The place for the seal: its findings join the differences here.
    if json:
        print_json(report)
    else:
        for found in report.differences:
            out.print(
                f"{found.account or 'log'}: {found.what}: the replay says {found.replayed}, "
                f"there stands {found.found}",
                soft_wrap=True,
            )
        out.print(
            f"{report.accounts} accounts, {report.events} events, "
            f"{len(report.differences)} differences; the trial balance comes to "
            f"{sum(report.trial_balance.values())}; {monotonic() - began:.1f} s",
            soft_wrap=True,
        )
    raise typer.Exit(DIFFERENCE if report.differences else 0)

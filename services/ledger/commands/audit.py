"""``saldo ledger audit``: compare replay, SQL and read model, and check the log itself."""

from __future__ import annotations

from time import monotonic

import msgspec
import typer

from services.ledger.commands.ledger_access import Against, Workers, opened_ledger
from services.ledger.replay import audit as auditor
from services.ledger.seal.inspection import inspect_seal
from services.ledger.seal.keys import verifier_keys
from services.terminal import DIFFERENCE, DONE, Json, counting, out, print_json, reporting


def audit(
    against: Against = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Replay all accounts, add them up in SQL, and compare both with the read model.

    Checks the log too: positions, versions, times, commands, payments, the trial balance and the
    seal. A log that was truncated together with its seal is found only by a checkpoint that was
    kept elsewhere (--against). Exit code 1: there are differences.
    """
    began = monotonic()
    with reporting(), opened_ledger() as store:
        events = store.recorder.max_notification_id() or 0
        with counting("replaying", events) as advance:
            report = auditor.audit(store, advance, workers=workers)
        trusted = verifier_keys()
        notes = [path.read_text(encoding="utf-8") for path in against or ()]
        with counting("verifying the seal", events) as advance, store.reading() as cursor:
            seal = inspect_seal(cursor, trusted, notes, advance)
    differences = len(report.differences) + report.unlisted
    if json:
        print_json({**msgspec.structs.asdict(report), "seal": seal})
    else:
        for found in report.differences:
            out.print(
                f"{found.account or 'log'}: {found.what}: the replay gives {found.replayed}, "
                f"the table has {found.found}",
                soft_wrap=True,
            )
        if report.unlisted:
            out.print(f"and {report.unlisted} more differences")
        for finding in seal.findings:
            out.print(f"seal: {finding.text}", soft_wrap=True)
        out.print(
            f"{report.accounts} accounts, {report.events} events, {seal.sealed} of them sealed; "
            f"{differences + len(seal.findings)} differences; the trial balance is "
            f"{sum(report.trial_balance.values())}; {monotonic() - began:.1f} s",
            soft_wrap=True,
        )
    raise typer.Exit(DIFFERENCE if report.differences or seal.findings else DONE)

"""``saldo ledger audit``: compare replay, SQL and read model, and check the log itself."""

from __future__ import annotations

from time import monotonic

import msgspec
import typer

from services.language import text
from services.ledger.commands.ledger_access import (
    Against,
    SortLog,
    Workers,
    opened_ledger,
    replaying,
)
from services.ledger.commands.seal_findings import described
from services.ledger.replay import audit as auditor
from services.ledger.seal.inspection import inspect_seal
from services.ledger.seal.keys import verifier_keys_of
from services.terminal import DIFFERENCE, DONE, Json, counting, out, print_json, reporting


def audit(
    against: Against = None,
    workers: Workers = None,
    sort_log: SortLog = False,
    json: Json = False,
) -> None:
    """Replay all accounts, add them up in SQL, and compare both with the read model.

    Checks the log too: positions, versions, times, commands, payments, the trial balance and the
    seal. A log that was truncated together with its seal is found only by a checkpoint that was
    kept elsewhere (--against). Exit code 1: there are differences.
    """
    began = monotonic()
    with reporting(), opened_ledger() as store:
        with replaying(store, sort_log=sort_log) as (advance, sorting):
            report = auditor.audit(store, advance, workers=workers, sorting=sorting)
        events = store.recorder.max_notification_id() or 0
        trusted = verifier_keys_of(store.service)
        notes = [path.read_text(encoding="utf-8") for path in against or ()]
        with counting(text("verifying the seal"), events) as advance, store.reading() as cursor:
            seal = inspect_seal(cursor, trusted, notes, advance)
    differences = len(report.differences) + report.unlisted
    if json:
        print_json({**msgspec.structs.asdict(report), "seal": seal})
    else:
        for found in report.differences:
            out.print(
                text(
                    "{account}: {what}: the replay gives {replayed}, the table has {found}",
                    account=found.account or text("log"),
                    what=found.what,
                    replayed=found.replayed,
                    found=found.found,
                ),
                soft_wrap=True,
            )
        if report.unlisted:
            out.print(text("differences that are not listed: {count}", count=report.unlisted))
        for finding in seal.findings:
            out.print(text("seal: {finding}", finding=described(finding)), soft_wrap=True)
        out.print(
            text(
                "accounts: {accounts}, events: {events}, sealed: {sealed}; differences: "
                "{differences}; the trial balance is {balance}; {seconds:.1f} s",
                accounts=report.accounts,
                events=report.events,
                sealed=seal.sealed,
                differences=differences + len(seal.findings),
                balance=sum(report.trial_balance.values()),
                seconds=monotonic() - began,
            ),
            soft_wrap=True,
        )
    raise typer.Exit(DIFFERENCE if report.differences or seal.findings else DONE)

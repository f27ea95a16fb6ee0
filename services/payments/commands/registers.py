"""``saldo payments import | suspense | assign | return | registers``: payments at bank desks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer

from services.language import text
from services.payments.registers.files import Opening
from services.payments.registers.importing import ImportRequest, Summary, import_file
from services.payments.registers.rows import Seal, seal_by
from services.payments.registers.settings import day_range, layout_of, settlement_accounts
from services.staff_calls import calls_to
from services.terminal import (
    DIFFERENCE,
    DONE,
    Actor,
    DryRun,
    Json,
    OptionalReason,
    Reason,
    author,
    counting,
    minute,
    money,
    new_table,
    opened_store,
    out,
    print_json,
    recorded_reason,
    reporting,
    roubles,
    show,
)
from shared.eventstore.postgres import PostgresStore
from shared.tablefiles import ControlTotals, quarantine_path

LOOK_EVERY_S = 0.3
"""How often an import looks what became of its payments."""


class Format(StrEnum):
    """The formats of banks' files."""

    AUTO = "auto"
    REGISTER = "register"
    STATEMENT = "1c"


class Encoding(StrEnum):
    """How a file is encoded."""

    UTF_8 = "utf-8"
    CP1251 = "cp1251"
    CP866 = "cp866"


BankFile = Annotated[
    Path,
    typer.Argument(exists=True, dir_okay=False, help="A text register or 1CClientBankExchange."),
]
FormatOption = Annotated[
    Format, typer.Option("--format", help="The format; detected when left out.")
]
LayoutOption = Annotated[
    str | None,
    typer.Option(help="The layout of a register without a header: a name, or a YAML file."),
]
BankOption = Annotated[
    str, typer.Option(help="Whose documents these are; the layout says it when left out.")
]
EncodingOption = Annotated[Encoding | None, typer.Option(help="Detected when left out.")]
RowsOption = Annotated[int | None, typer.Option(help="Control total: the number of rows.")]
TotalOption = Annotated[
    str | None, typer.Option(help="Control total: the sum that was paid, as 4500,00.")
]
QuarantineOption = Annotated[
    Path | None, typer.Option(help="File for refused rows; FILE.quarantine.csv when left out.")
]
WaitOption = Annotated[
    int, typer.Option(min=0, max=3600, help="Wait so many seconds until all are posted.")
]
PaymentId = Annotated[
    UUID, typer.Argument(metavar="ID", help="The id of the payment, as `suspense` lists it.")
]


def import_(
    file: BankFile,
    format_: FormatOption = Format.AUTO,
    layout: LayoutOption = None,
    bank: BankOption = "",
    encoding: EncodingOption = None,
    rows: RowsOption = None,
    total: TotalOption = None,
    quarantine: QuarantineOption = None,
    wait: WaitOption = 60,
    actor: Actor = None,
    reason: OptionalReason = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Take in the payments of a bank's register or statement; each is posted once.

    Payments of known accounts are posted on the bank's day, the others wait in suspense. Repeating
    an import has no effect. Needs --reason, except with --dry-run. Exit code 0: done; 1: some rows
    were refused and are in the quarantine file with their reasons; 2: nothing was taken in.
    """
    with reporting():
        by, why = ("", "") if dry_run else author(actor, reason)
        opening = Opening(
            format=format_.value,
            encoding=encoding.value if encoding else "",
            layout=layout_of(os.environ, layout),
            bank=bank.strip(),
            settlement_accounts=settlement_accounts(os.environ),
        )
        totals = ControlTotals(rows=rows, total=None if total is None else money(total, "--total"))
        with opened_store("payments", writes=True) as store:
            request = ImportRequest(
                path=file,
                by=by,
                reason=why,
                days=day_range(os.environ, store.clock.today()),
                opening=opening,
                totals=totals,
                dry_run=dry_run,
                quarantine=quarantine or quarantine_path(file),
            )
            summary = import_file(store, request, _seal(store), counting)
            states = {} if dry_run else _settled(store, summary, wait)
    _print_summary(summary, states, json)
    raise typer.Exit(DIFFERENCE if summary.refused else DONE)


def suspense(
    after: Annotated[int, typer.Option(min=0, help="Begin after this position.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=500, help="List at most so many.")] = 100,
    json: Json = False,
) -> None:
    """List the payments of banks of which staff must say whose they are, oldest first.

    Who paid and what for is in the bank's file, at the row that is named.
    """
    with reporting(), calls_to("payments") as payments:
        found = payments.ask("bank_suspense", after=after, limit=limit)
    if json:
        print_json(found)
        return
    names = (text("id"), text("paid on"), text("document"), text("account"), text("why"))
    table = new_table(
        text("In suspense"), *names, text("file"), text("row"), amounts=(text("roubles"),)
    )
    for payment in found["payments"]:
        table.add_row(
            payment["payment_id"],
            payment["paid_on"],
            payment["document"],
            payment["account"] or "",
            _why(payment["reason"]),
            payment["file"],
            str(payment["row"]),
            roubles(payment["amount"]),
        )
    show(table)
    if found["next"] is not None:
        out.print(text("There are more: --after {position}", position=found["next"]))


def assign(
    payment: PaymentId,
    account: Annotated[str, typer.Option(help="The number of the personal account.")],
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Say whose a payment in suspense is: it is posted to that account on the bank's day."""
    with reporting(), calls_to("payments", actor) as payments:
        result = payments.command(
            "assign_bank_payment",
            payment_id=str(payment),
            account=account.strip(),
            reason=recorded_reason(reason),
            dry_run=dry_run,
        )
    _print_result(result, json)


def return_(
    payment: PaymentId,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Record that a payment in suspense is returned by the bank; it is posted to nobody.

    The bank is told by a letter or in its client program: nothing is sent to it from here.
    """
    with reporting(), calls_to("payments", actor) as payments:
        result = payments.command(
            "return_bank_payment",
            payment_id=str(payment),
            reason=recorded_reason(reason),
            dry_run=dry_run,
        )
    _print_result(result, json)


def registers(
    limit: Annotated[int, typer.Option(min=1, max=500, help="List the newest so many.")] = 20,
    json: Json = False,
) -> None:
    """List the files of banks that were taken in, the newest first, with their totals."""
    with reporting(), calls_to("payments") as payments:
        found = payments.ask("bank_registers", limit=limit)
    if json:
        print_json(found)
        return
    names = (text("file"), text("taken in (UTC)"), text("bank"), text("rows"), text("refused"))
    table = new_table(
        text("Files of banks"),
        *names,
        text("payments"),
        amounts=(text("roubles"), text("fee")),
    )
    for register in found["registers"]:
        states = ", ".join(
            f"{_state(state)}: {number}" for state, number in sorted(register["states"].items())
        )
        table.add_row(
            register["file"],
            minute(register["taken_at"]),
            register["bank"],
            str(register["rows"]),
            str(register["refused"]),
            states if register["imported_at"] else text("interrupted: import it again"),
            roubles(register["total"]),
            roubles(register["fee"]),
        )
    show(table)


def _seal(store: PostgresStore) -> Seal:
    """Return the keyed digest of payers; the key is read when a statement has one."""
    return lambda payer: seal_by(store.hash_key("bank-payers"), payer)


def _settled(store: PostgresStore, summary: Summary, wait: int) -> dict[str, int]:
    """Wait until the payments of a file are posted or in suspense; return their states."""
    register_id, until = UUID(summary.register_id), time.monotonic() + wait
    total = summary.received + summary.repeated
    done = 0
    with counting(text("posting"), total) as advance:
        while True:
            states: dict[str, int] = store.query(
                lambda session: session.read.registers.states(register_id)
            )
            open_ = states.get("received", 0) + states.get("accepted", 0)
            settled = sum(states.values()) - open_
            advance(settled - done)
            done = settled
            if not open_ or time.monotonic() >= until:
                return states
            time.sleep(LOOK_EVERY_S)


def _print_summary(summary: Summary, states: Mapping[str, int], json: bool) -> None:
    if json:
        print_json({**msgspec.to_builtins(summary), "states": states})
    else:
        _show(summary, states)


def _show(summary: Summary, states: Mapping[str, int]) -> None:
    titles = {
        "imported": text("Imported"),
        "imported_before": text("Imported before: nothing was changed"),
        "dry_run": text("Dry run: nothing was posted"),
    }
    table = new_table(titles[summary.state], summary.file, amounts=(text("count"), text("roubles")))
    table.add_row(text("rows"), str(summary.rows), roubles(summary.total))
    table.add_row(text("fee of the bank"), "", roubles(summary.fee))
    for name, number in _counts(summary):
        table.add_row(name, str(number), "")
    for state, number in sorted(states.items()):
        table.add_row(f"- {_state(state)}", str(number), "")
    show(table)
    if summary.quarantine:
        out.print(
            text("Refused rows with their reasons: {file}", file=summary.quarantine),
            soft_wrap=True,
        )
    if states.get("received") or states.get("accepted"):
        out.print(
            text("Some are not posted yet: the worker goes on; see `saldo payments registers`."),
            soft_wrap=True,
        )


def _counts(summary: Summary) -> Iterator[tuple[str, int]]:
    yield text("new, with an account"), summary.matched
    yield text("new, without an account"), summary.suspense
    yield text("repeated, known from earlier"), summary.repeated
    yield text("refused"), summary.refused
    if summary.skipped:
        yield text("no payments to us, skipped"), summary.skipped


def _print_result(result: dict[str, Any], json: bool) -> None:
    if json:
        print_json(result)
        return
    if result["dry_run"]:
        out.print(text("Dry run: all checks passed, nothing was written."))
    elif not result["changed"]:
        out.print(text("It was done before; nothing was changed."))
    amount, paid_on = roubles(result["amount"]), result["paid_on"]
    out.print(
        text(
            "{amount} of {paid_on}: {state}",
            amount=amount,
            paid_on=paid_on,
            state=_state(result["state"]),
        ),
        soft_wrap=True,
    )


def _state(state: str) -> str:
    return {
        "received": text("waiting for the worker"),
        "suspended": text("in suspense"),
        "accepted": text("on its way to the ledger"),
        "posted": text("posted"),
        "returned": text("to be returned by the bank"),
        "covered": text("the transfer of a register"),
    }.get(state, state)


def _why(reason: str | None) -> str:
    return {
        "no_account": text("no account is named"),
        "ambiguous": text("several accounts are named"),
        "unknown_account": text("the ledger has no such account"),
        "register_transfer": text("the total of a register"),
        "reversed": text("its posting was reversed"),
        "entered_already": text("a clerk has entered this document"),
    }.get(reason or "", reason or "")

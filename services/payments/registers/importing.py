"""A bank's file from beginning to end: survey, control totals, quarantine, payments in chunks.

A file is read twice: first everything is checked, and nothing is recorded if its totals differ from
those of the bank or of the operator. An import that was killed is simply repeated: what is recorded
already counts as repeated.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from services.payments.registers.bank_payment import register_id_of
from services.payments.registers.fields import DayRange
from services.payments.registers.files import BankFile, Examined, Opening, examine, open_file
from services.payments.registers.receiving import (
    FinishRegister,
    Received,
    ReceivePayments,
    ReceiveRegister,
    compare_payments,
    finish_register,
    receive_payments,
    receive_register,
)
from services.payments.registers.rows import Found, Payment, Refused, Seal, Skipped, Stated
from services.payments.registers.text_register import TextRegister
from shared import context
from shared.errors import ValidationFailed
from shared.eventstore import Store
from shared.ids import NAMESPACE, derived_id
from shared.money import Kopecks, format_roubles
from shared.tablefiles import ControlTotals, SeenNames
from shared.tablefiles.formulae import csv_line
from shared.tablefiles.kinds import QUARANTINE_COLUMNS

CHUNK: Final = 200
"""Payments of a transaction: the log is locked for so many, and payers wait for it, too."""

Bar = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""(title, number of rows or None) -> shows a progress bar; yields the function that advances it."""


class ImportRequest(msgspec.Struct, kw_only=True):
    """A file to import; `totals` and `quarantine` as the operator gave them."""

    path: Path
    by: str
    reason: str
    days: DayRange
    opening: Opening = Opening()
    totals: ControlTotals = ControlTotals()
    dry_run: bool = False
    quarantine: Path


class Summary(msgspec.Struct, kw_only=True):
    """The outcome of an import; counts of rows, sums in kopecks.

    `state`: `imported`, `imported_before` or `dry_run`. `matched` payments name an account,
    `suspense` ones do not; both are `received`, unless known (`repeated`). `refused` are in the
    quarantine file, `differing` ones among them. `skipped` documents are no payments to us.
    """

    file: str
    register_id: str
    state: str
    format: str
    encoding: str
    bank: str
    layout: str = ""
    rows: int = 0
    total: Kopecks = 0
    fee: Kopecks = 0
    received: int = 0
    matched: int = 0
    suspense: int = 0
    repeated: int = 0
    refused: int = 0
    differing: int = 0
    skipped: int = 0
    quarantine: str | None = None


class _Survey(msgspec.Struct):
    rows: int = 0
    total: Kopecks = 0
    fee: Kopecks = 0
    skipped: int = 0
    moved: Kopecks = 0
    last_day: date | None = None
    refused: list[Refused] = []


def import_file(store: Store, request: ImportRequest, seal: Seal, bar: Bar) -> Summary:
    """Import a file, each payment once.

    Raises ValidationFailed `invalid_file`, and `control_totals` for totals that differ; nothing is
    recorded then.
    """
    examined = examine(request.path)
    source = open_file(examined, request.opening, seal)
    _check_quarantine(request)
    days = request.days
    with bar("checking", None) as advance:
        found = _survey(source, days, request, advance)
    summary = _summary(examined, source, found)
    with context.bind(actor=request.by, correlation_id=summary.register_id):
        if request.dry_run:
            summary.state = "dry_run"
            outcome = _each_chunk(source, days, found, summary, bar, _comparing(store))
        else:
            known = store.query(lambda session: session.read.registers.register(_id(summary)))
            before = known is not None and known["imported_at"] is not None
            summary.state = "imported_before" if before else "imported"
            store.transact(receive_register, _receive_command(examined, summary, found, request))
            work = _comparing(store) if before else _receiving(store)
            outcome = _each_chunk(source, days, found, summary, bar, work)
            store.transact(finish_register, _finish_command(summary, outcome))
    _add(summary, outcome)
    _write_quarantine(request.quarantine, source, summary, found, outcome)
    return summary


def checked_rows(source: BankFile, days: DayRange) -> Generator[Found, None, None]:
    """Yield every row; a payment that stands in the file already is refused.

    Who may stop before the end closes it: what it keeps belongs to this thread.
    """
    with closing(SeenNames()) as seen:
        for found in source.rows(days):
            if isinstance(found, Payment):
                first = seen.first_row(found.payment_id.hex, found.row)
                if first != found.row:
                    yield _refused(source, found, f"document: row {first} has it already")
                    continue
            yield found


def _survey(
    source: BankFile, days: DayRange, request: ImportRequest, advance: Callable[[int], None]
) -> _Survey:
    found, section = _Survey(), _Survey()
    with closing(checked_rows(source, days)) as rows:
        for row in rows:
            advance(1)
            if isinstance(row, Stated):
                _check_stated(request.path.name, section, row)
                section = _Survey()
                continue
            for survey in (found, section):
                _count(survey, row)
    given = ControlTotals(rows=found.rows, total=found.total)
    if differing := request.totals.differences(given):
        raise ValidationFailed(
            "control_totals",
            f"The control totals differ: {request.path.name} has {'; '.join(differing)}."
            f"{_reasons(found)} Nothing was imported.",
        )
    return found


def _count(survey: _Survey, row: Payment | Refused | Skipped) -> None:
    if isinstance(row, Skipped):
        survey.skipped += 1
        survey.moved += row.amount
        return
    survey.rows += 1
    survey.total += row.amount or 0
    survey.fee += row.fee
    if isinstance(row, Refused):
        survey.refused.append(row)
    elif survey.last_day is None or row.paid_on > survey.last_day:
        survey.last_day = row.paid_on


def _check_stated(name: str, found: _Survey, stated: Stated) -> None:
    """Raise ValidationFailed for totals of the bank that differ from its rows.

    A sum that cannot be read leaves the others unproven: then the number of rows alone is compared.
    """
    legible = all(row.amount is not None for row in found.refused)
    differing = ControlTotals(
        rows=stated.rows, total=stated.amount if legible else None
    ).differences(ControlTotals(rows=found.rows, total=found.total + found.moved))
    if legible and stated.fee not in (None, found.fee):
        differing.append(
            f"a fee of {format_roubles(found.fee)} roubles, not {format_roubles(stated.fee or 0)}"
        )
    if differing:
        raise ValidationFailed(
            "control_totals",
            f"The bank's totals differ from its rows: {name} has {'; '.join(differing)}."
            f"{_reasons(found)} Nothing was imported: ask the bank for the file again.",
        )


def _reasons(found: _Survey) -> str:
    if not found.refused:
        return ""
    first = "; ".join(f"row {row.row}: {row.reason}" for row in found.refused[:3])
    return f" {len(found.refused)} of its rows are refused, first {first}."


_Work = Callable[[ReceivePayments, int], Received]


def _receiving(store: Store) -> _Work:
    def receive(command: ReceivePayments, index: int) -> Received:
        part = derived_id(NAMESPACE, "payments.import", str(command.register_id), str(index))
        with context.bind(command_id=part):
            return store.transact(receive_payments, command)

    return receive


def _comparing(store: Store) -> _Work:
    return lambda command, _: store.query(lambda session: compare_payments(session, command))


def _each_chunk(
    source: BankFile, days: DayRange, found: _Survey, summary: Summary, bar: Bar, work: _Work
) -> Received:
    outcome = Received()
    payable = found.rows - len(found.refused)
    with closing(checked_rows(source, days)) as rows, bar("recording", payable) as advance:
        for index, payments in enumerate(_chunks(row for row in rows if isinstance(row, Payment))):
            command = ReceivePayments(
                register_id=_id(summary), payments=payments, by_account=source.kind == "register"
            )
            outcome.add(work(command, index))
            advance(len(payments))
    return outcome


def _chunks(rows: Iterable[Payment]) -> Iterator[tuple[Payment, ...]]:
    stream = iter(rows)
    while chunk := tuple(islice(stream, CHUNK)):
        yield chunk


def _receive_command(
    examined: Examined, summary: Summary, found: _Survey, request: ImportRequest
) -> ReceiveRegister:
    return ReceiveRegister(
        register_id=_id(summary),
        file=examined.path.name,
        digest=examined.digest,
        kind=summary.format,
        bank=summary.bank,
        rows=found.rows,
        refused=len(found.refused),
        total=found.total,
        fee=found.fee,
        last_day=found.last_day,
        by=request.by,
        reason=request.reason,
    )


def _finish_command(summary: Summary, outcome: Received) -> FinishRegister:
    return FinishRegister(
        register_id=_id(summary),
        payments=outcome.received + outcome.repeated,
        differing=len(outcome.differing),
    )


def _id(summary: Summary) -> UUID:
    return UUID(summary.register_id)


def _summary(examined: Examined, source: BankFile, found: _Survey) -> Summary:
    return Summary(
        file=examined.path.name,
        register_id=str(register_id_of(examined.digest)),
        state="",
        format=source.kind,
        encoding=examined.encoding,
        bank=source.bank,
        layout=source.layout.name if isinstance(source, TextRegister) else "",
        rows=found.rows,
        total=found.total,
        fee=found.fee,
        skipped=found.skipped,
    )


def _add(summary: Summary, outcome: Received) -> None:
    summary.received = outcome.received
    summary.suspense = outcome.suspense
    summary.matched = outcome.received - outcome.suspense
    summary.repeated = outcome.repeated
    summary.differing = len(outcome.differing)


# The quarantine


def _check_quarantine(request: ImportRequest) -> None:
    if request.quarantine.exists() and request.quarantine.samefile(request.path):
        raise ValidationFailed(
            "quarantine_is_the_file",
            f"The refused rows cannot be written to {request.quarantine}, which is the imported "
            "file: name another file.",
        )


def _write_quarantine(
    path: Path, source: BankFile, summary: Summary, found: _Survey, outcome: Received
) -> None:
    """Write the refused rows with their reasons, readable by their owner alone."""
    differing = [_refused(source, one.payment, one.reason) for one in outcome.differing]
    refused = [*found.refused, *differing]
    summary.refused = len(refused)
    if not refused:
        return
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="") as file:
        file.write(csv_line([*source.columns, *QUARANTINE_COLUMNS]))
        for row in sorted(refused, key=lambda one: one.row):
            file.write(csv_line([*row.fields, str(row.row), row.reason]))
    summary.quarantine = str(path)


def _refused(source: BankFile, payment: Payment, reason: str) -> Refused:
    texts = {
        "date": payment.paid_on.strftime("%d/%m/%Y"),
        "amount": _written(payment.amount),
        "fee": _written(payment.fee),
        "account": payment.account,
        "document": payment.document,
    }
    return Refused(
        row=payment.row,
        fields=tuple(texts[column] for column in source.columns),
        reason=reason,
        amount=payment.amount,
        fee=payment.fee,
    )


def _written(amount: Kopecks) -> str:
    return f"{amount // 100},{amount % 100:02d}"

"""``saldo ledger penalty``: the calculator alone, no database, for staff, courts and checks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from services.ledger.penalties.calculator import ChargePenalty, Penalty, calculate
from services.ledger.penalties.calendar import check_period
from services.ledger.penalties.explanation import LANGUAGES, as_data, as_text, days_of
from services.ledger.penalties.payment_matching import Charge, Credit
from services.ledger.penalties.rules import PayerKind, load_rules
from shared.config import ConfigurationError
from shared.errors import ServiceError
from shared.money import Kopecks, format_roubles, parse_roubles

out, err = Console(), Console(stderr=True)


def penalty(
    payer: Annotated[PayerKind, typer.Option(help="Whose delay it is.")],
    charge: Annotated[
        list[str], typer.Option(help="A month and its sum, 2026-03:4500.00; may be repeated.")
    ],
    on: Annotated[str, typer.Option(help="The day of the calculation, as 2026-08-10.")],
    paid: Annotated[
        list[str] | None,
        typer.Option(help="A day and the sum paid on it, 2026-06-20:2000.00; may be repeated."),
    ] = None,
    due: Annotated[
        list[str] | None,
        typer.Option(help="The due date instead of that by the rules: one for each --charge."),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="A file of rules instead of those in force.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Tell every day too, and why.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Answer JSON instead of a table.")] = False,
) -> None:
    """Calculate a penalty: payments settle the oldest charge first."""
    try:
        found = calculate(
            _charges(charge, due or []),
            [_credit(text) for text in paid or []],
            payer,
            _day(on, "--on"),
            load_rules(rules),
        )
    except (ServiceError, ConfigurationError, ValueError) as error:
        err.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    if json:
        answer = msgspec.json.encode(as_data(found, with_days=explain))
        sys.stdout.write(answer.decode() + "\n")
        return
    _print_report(found, explain)


def _charges(texts: Sequence[str], dues: Sequence[str]) -> list[Charge]:
    if dues and len(dues) != len(texts):
        raise ValueError(
            f"there are {len(texts)} --charge and {len(dues)} --due: give one --due for each "
            "--charge, in the same order, or none"
        )
    charges = []
    for index, text in enumerate(texts):
        period, amount = _pair(text, "--charge", "2026-03:4500.00")
        due_on = _day(dues[index], "--due") if dues else None
        if due_on is not None:
            check_period(period)
        charges.append(Charge(period=period, amount=amount, due_on=due_on))
    return charges


def _credit(text: str) -> Credit:
    day, amount = _pair(text, "--paid", "2026-06-20:2000.00")
    return Credit(on=_day(day, "--paid"), amount=amount)


def _pair(text: str, option: str, example: str) -> tuple[str, Kopecks]:
    key, colon, roubles = text.partition(":")
    if not colon:
        raise ValueError(f"{option} {text!r} has no sum; write it like {example}")
    amount = parse_roubles(roubles)
    if amount <= 0:
        raise ValueError(f"{option} {text!r}: the sum must be more than nothing")
    return key.strip(), amount


def _day(text: str, option: str) -> date:
    day: date | None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    # fromisoformat reads weeks and compact forms too: 2026-W20-1, 20260810.
    if day is None or str(day) != text:
        raise ValueError(f"{option}: {text!r} is not a day; write it like 2026-08-10")
    return day


def _segments_table(charge: ChargePenalty) -> Table:
    table = Table(
        title=f"{charge.period}: {format_roubles(charge.principal)}, due on {charge.due_on}",
        show_footer=True,
    )
    for name, footer in (("From", "Total"), ("To", "")):
        table.add_column(name, footer, no_wrap=True)
    for name in ("Days", "Debt", "Rate, %", "Part"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Penalty", format_roubles(charge.total), justify="right", no_wrap=True)
    for segment in charge.segments:
        accrues = segment.rate is not None
        table.add_row(
            str(segment.first_day),
            str(segment.last_day),
            str(segment.days),
            format_roubles(segment.base),
            f"{segment.rate:f}" if accrues else "",
            f"1/{segment.divisor}" if accrues else segment.reason,
            format_roubles(segment.amount),
        )
    return table


def _days_table(charge: ChargePenalty) -> Table:
    table = Table(title=f"{charge.period}: day by day; the penalty is exact, in kopecks")
    table.add_column("Day", no_wrap=True)
    for name in ("Delay", "Debt", "Rate, %", "Part", "Penalty"):
        table.add_column(name, justify="right", no_wrap=True)
    for told in days_of(charge):
        accrues = told.rate is not None
        table.add_row(
            str(told.day),
            str(told.number),
            format_roubles(told.base),
            f"{told.rate:f}" if accrues else "",
            f"1/{told.divisor}" if accrues else told.reason,
            str(told.exact),
        )
    return table


def _print_report(found: Penalty, explain: bool) -> None:
    for charge in found.charges:
        out.print(_segments_table(charge))
    out.print(
        f"{found.payer.value}, {found.on}, rules {found.rule_version}: "
        f"{format_roubles(found.total)} in all",
        highlight=False,
        soft_wrap=True,
    )
    # What a reader of the total must not overlook.
    if found.provisional:
        out.print("Provisional: the day of payment will decide the rate of what is unpaid.")
    if found.unconfirmed:
        out.print("It rests on a rule that is marked unconfirmed.")
    if found.advance:
        out.print(f"Paid beyond the charges: {format_roubles(found.advance)}")
    for credit in found.left_out:
        out.print(f"Left out, paid after the day: {credit.on} {format_roubles(credit.amount)}")
    if explain:
        for charge in found.charges:
            out.print(_days_table(charge))
        for language in LANGUAGES:
            out.print(
                "\n" + as_text(found, language), markup=False, highlight=False, soft_wrap=True
            )

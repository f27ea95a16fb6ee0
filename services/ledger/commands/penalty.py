"""``saldo ledger penalty``: the penalty calculator alone, without a database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from services.ledger.penalties.calculator import ChargePenalty, Penalty, calculate
from services.ledger.penalties.calendar import check_period
from services.ledger.penalties.explanation import LANGUAGES, as_data, as_text, days_of
from services.ledger.penalties.payment_matching import Charge, Credit
from services.ledger.penalties.rules import load_rules
from services.terminal import Json, day, out, print_json, reporting
from shared.contracts.accounts import PayerKind
from shared.money import Kopecks, format_roubles, parse_roubles


def penalty(
    payer: Annotated[PayerKind, typer.Option(help="The kind of payer.")],
    charge: Annotated[
        list[str], typer.Option(help="A month and its amount, 2026-03:4500.00; repeatable.")
    ],
    on: Annotated[str, typer.Option(help="The day of the calculation, as 2026-08-10.")],
    paid: Annotated[
        list[str] | None,
        typer.Option(help="A day and the amount paid on it, 2026-06-20:2000.00; repeatable."),
    ] = None,
    due: Annotated[
        list[str] | None,
        typer.Option(help="The due date instead of the rules': one for each --charge."),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="A file of rules instead of those in force.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show every day, and explain.")
    ] = False,
    json: Json = False,
) -> None:
    """Calculate a penalty; payments are allocated to the oldest charge first."""
    with reporting():
        found = calculate(
            _charges(charge, due or []),
            [_credit(text) for text in paid or []],
            payer,
            day(on, "--on"),
            load_rules(rules),
        )
    if json:
        print_json(as_data(found, with_days=explain))
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
        due_on = day(dues[index], "--due") if dues else None
        if due_on is not None:
            check_period(period)
        charges.append(Charge(period=period, amount=amount, due_on=due_on))
    return charges


def _credit(text: str) -> Credit:
    paid_on, amount = _pair(text, "--paid", "2026-06-20:2000.00")
    return Credit(on=day(paid_on, "--paid"), amount=amount)


def _pair(text: str, option: str, example: str) -> tuple[str, Kopecks]:
    key, colon, written = text.partition(":")
    if not colon:
        raise ValueError(f"{option} {text!r} has no amount; write it like {example}")
    amount = parse_roubles(written)
    if amount <= 0:
        raise ValueError(f"{option} {text!r}: the amount must be more than zero")
    return key.strip(), amount


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
    for each in days_of(charge):
        accrues = each.rate is not None
        table.add_row(
            str(each.day),
            str(each.number),
            format_roubles(each.base),
            f"{each.rate:f}" if accrues else "",
            f"1/{each.divisor}" if accrues else each.reason,
            str(each.exact),
        )
    return table


def _print_report(found: Penalty, explain: bool) -> None:
    for charge in found.charges:
        out.print(_segments_table(charge))
    out.print(
        f"{found.payer.value}, {found.on}, rules {found.rule_version}: "
        f"{format_roubles(found.total)} in all",
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
            out.print("\n" + as_text(found, language), soft_wrap=True)

"""``saldo ledger penalty``: the penalty calculator alone, without a database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from services.language import language, text
from services.ledger.commands.payers import payer as payer_name
from services.ledger.commands.periods import month
from services.ledger.penalties.calculator import ChargePenalty, Penalty, calculate
from services.ledger.penalties.calendar import check_period
from services.ledger.penalties.explanation import as_data, as_text, days_of
from services.ledger.penalties.payment_matching import Charge, Credit
from services.ledger.penalties.rules import load_rules
from services.terminal import Json, day, money, new_table, out, print_json, reporting, show
from shared.money import Kopecks, format_roubles
from shared.payer_kinds import PayerKind


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
            [_credit(written) for written in paid or []],
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
            text(
                "there are {charges} --charge and {dues} --due: give one --due for each --charge, "
                "in the same order, or none",
                charges=len(texts),
                dues=len(dues),
            )
        )
    charges = []
    for index, written in enumerate(texts):
        period, amount = _pair(written, "--charge", "2026-03:4500.00")
        due_on = day(dues[index], "--due") if dues else None
        if due_on is not None:
            check_period(period)
        charges.append(Charge(period=period, amount=amount, due_on=due_on))
    return charges


def _credit(written: str) -> Credit:
    paid_on, amount = _pair(written, "--paid", "2026-06-20:2000.00")
    return Credit(on=day(paid_on, "--paid"), amount=amount)


def _pair(written: str, option: str, example: str) -> tuple[str, Kopecks]:
    key, colon, sum_ = written.partition(":")
    values = {"option": option, "given": written, "example": example}
    if not colon:
        raise ValueError(
            text("{option} {given!r} has no amount; write it like {example}", **values)
        )
    amount = money(sum_, option)
    if amount <= 0:
        raise ValueError(text("{option} {given!r}: the amount must be more than zero", **values))
    return key.strip(), amount


def _show_segments(charge: ChargePenalty) -> None:
    table = new_table(
        text(
            "{month}: {principal}, due on {day}",
            month=month(charge.period),
            principal=format_roubles(charge.principal),
            day=charge.due_on,
        ),
        text("From"),
        text("To"),
        amounts=(text("Days"), text("Debt"), text("Rate, %"), text("Part"), text("Penalty")),
    )
    for segment in charge.segments:
        accrues = segment.rate is not None
        table.add_row(
            str(segment.first_day),
            str(segment.last_day),
            str(segment.days),
            format_roubles(segment.base),
            f"{segment.rate:f}" if accrues else "",
            f"1/{segment.divisor}" if accrues else _free(segment.reason),
            format_roubles(segment.amount),
        )
    table.add_section()
    table.add_row(text("Total"), "", "", "", "", "", format_roubles(charge.total))
    show(table, keys=2)


def _show_days(charge: ChargePenalty) -> None:
    table = new_table(
        text("{month}: day by day; the penalty is exact, in kopecks", month=month(charge.period)),
        text("Day"),
        amounts=(text("Delay"), text("Debt"), text("Rate, %"), text("Part"), text("Penalty")),
    )
    for each in days_of(charge):
        accrues = each.rate is not None
        table.add_row(
            str(each.day),
            str(each.number),
            format_roubles(each.base),
            f"{each.rate:f}" if accrues else "",
            f"1/{each.divisor}" if accrues else _free(each.reason),
            str(each.exact),
        )
    show(table)


def _free(reason: str) -> str:
    """Return why days bear no penalty."""
    return {"deferment": text("deferment"), "moratorium": text("moratorium")}.get(reason, reason)


def _print_report(found: Penalty, explain: bool) -> None:
    for charge in found.charges:
        _show_segments(charge)
    out.print(
        text(
            "{payer}, {day}, rules {rules}: {total} in all",
            payer=payer_name(found.payer.value),
            day=found.on,
            rules=found.rule_version,
            total=format_roubles(found.total),
        ),
        soft_wrap=True,
    )
    # What a reader of the total must not overlook.
    if found.provisional:
        out.print(
            text("Provisional: the day of payment will decide the rate of what is unpaid."),
            soft_wrap=True,
        )
    if found.unconfirmed:
        out.print(text("It rests on a rule that is marked unconfirmed."))
    if found.advance:
        advance = format_roubles(found.advance)
        out.print(text("Paid beyond the charges: {amount}", amount=advance))
    for credit in found.left_out:
        amount = format_roubles(credit.amount)
        out.print(
            text("Left out, paid after the day: {day} {amount}", day=credit.on, amount=amount)
        )
    if explain:
        for charge in found.charges:
            _show_days(charge)
        out.print("\n" + as_text(found, language().value), soft_wrap=True)

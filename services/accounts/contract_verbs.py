"""``saldo accounts show``: the contract of a number, and who held it when."""

from __future__ import annotations

from services.accounts.access_verbs import Number
from services.language import text
from services.staff_calls import calls_to
from services.terminal import Json, new_table, print_json, reporting, show


def contract(number: Number, json: Json = False) -> None:
    """Show the tenures of a number, the first holder's first; no name and no address."""
    with reporting(), calls_to("accounts") as accounts:
        found = accounts.ask("contract", number=number)
    if json:
        print_json(found)
        return
    table = new_table(
        text("Contract {number}", number=found["number"]),
        text("Holder"),
        text("Since"),
        text("Until"),
        text("State"),
        text("Payer"),
        text("ELS"),
        text("Payee"),
        text("Services"),
    )
    for tenure in found["tenures"]:
        table.add_row(
            str(tenure["tenure"]),
            tenure["since"] or "",
            tenure["until"] or "",
            text("open") if tenure["state"] == "open" else text("closed"),
            tenure["payer_kind"],
            tenure["els"] or "",
            tenure["payee"] or "",
            ", ".join(tenure["services"]),
        )
    show(table)

"""``saldo ledger policy``: what the operator has chosen where the law leaves a choice."""

from __future__ import annotations

from services.staff_calls import calls_to
from services.terminal import Json, new_table, print_json, reporting, show


def policy(json: Json = False) -> None:
    """Show what the operator has chosen, as the running ledger has it, and where it is set."""
    with reporting(), calls_to("ledger") as ledger:
        found = ledger.ask("policy")
    if json:
        print_json(found)
        return
    table = new_table("What the operator has chosen", "Choice", "Value", "Meaning", "Set by")
    for choice in found["choices"]:
        table.add_row(*(choice[name] for name in ("name", "value", "meaning", "set_by")))
    show(table)

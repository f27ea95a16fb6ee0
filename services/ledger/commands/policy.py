"""``saldo ledger policy``: what the operator has chosen where the law leaves a choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.language import text
from services.ledger.commands.facts import show_facts
from services.ledger.commands.ledger_access import ledger_log
from services.staff_calls import calls_to
from services.terminal import Json, print_json, reporting


def policy(json: Json = False) -> None:
    """Show what the operator has chosen, as the running ledger has it, and where it is set."""
    with reporting(), calls_to(ledger_log()) as ledger:
        found = ledger.ask("policy")
    if json:
        print_json(found)
        return
    for choice in found["choices"]:
        show_facts(choice["name"], _facts(choice))


def _facts(choice: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield text("Value"), choice["value"]
    yield text("Meaning"), _meaning(choice)
    yield text("Set by"), _place(choice)


def _meaning(choice: Mapping[str, str]) -> str:
    """Return what a choice is about; as the ledger says it where this code does not know it."""
    recalculations = {
        "month_posted": text(
            "what a recalculation adds falls due with the bill of the month in which it takes "
            "effect"
        ),
        "own_bill": text("what a recalculation adds falls due with the bill that it corrects"),
    }
    meanings = {
        "penalty_rules": text("the dated rules of penalties"),
        "recalculation_due": recalculations.get(choice["value"], choice["meaning"]),
        "opening_due": text(
            "an opening debt is late after its due_on; without one, after its own day"
        ),
        "accruals": text("when penalties are accrued"),
        "allocation": text(
            "which debt money pays: the month named, then the oldest; pro rata by service"
        ),
        "days_back": text("days back that a payment or a bill may take effect"),
        "days_ahead": text("days ahead that a bill may take effect, or be due"),
    }
    return meanings.get(choice["name"], choice["meaning"])


def _place(choice: Mapping[str, str]) -> str:
    places = {
        "recalculation_due": text("recalculation_due in the penalty rules"),
        "opening_due": text("due_on in the file of opening balances"),
    }
    return places.get(choice["name"], choice["set_by"])

"""What a command changes, as a table: the sums of accounts and the lines of a bill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.language import text
from services.terminal import new_table, roubles, show


def sum_names() -> dict[str, str]:
    """Return the names of an account's sums."""
    return {
        "principal": text("Principal"),
        "penalty_due": text("Penalty"),
        "penalty": text("of it accrued"),
        "advance": text("Advance"),
    }


def show_changes(title: str, changed: Mapping[str, Any]) -> None:
    """Print what a preview found: before, after, and the difference."""
    rows = list(_rows(changed))
    if not rows:
        return
    amounts = (text("Before"), text("After"), text("Difference"))
    table = new_table(title, text("Account"), text("What"), amounts=amounts)
    for account, what, *sums in rows:
        table.add_row(account, what, *map(roubles, sums))
    show(table, keys=2)


def show_sums(title: str, accounts: Sequence[Mapping[str, Any]]) -> None:
    """Print the sums of accounts."""
    if not accounts:
        return
    table = new_table(title, text("Account"), amounts=tuple(sum_names().values()))
    for account in accounts:
        table.add_row(account["number"], *(roubles(account[name]) for name in sum_names()))
    show(table)


def _rows(changed: Mapping[str, Any]) -> Iterator[tuple[str, str, int, int, int]]:
    names = sum_names()
    for line in changed.get("lines", ()):
        what = f"{line['period']} {line['service']}"
        yield line["account"], what, line["before"], line["after"], line["difference"]
    for old, new, difference in zip(
        changed["before"], changed["accounts"], changed["difference"], strict=True
    ):
        for name in names:
            yield old["number"], names[name], old[name], new[name], difference[name]

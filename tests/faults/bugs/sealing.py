"""Bugs of the seal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.faults.bugs.planting import Function, plant
from tests.faults.bugs.switch import SWITCH


@plant("sealer-skips-an-event", "services.ledger.seal.sealer:rows_between")
def _skip(original: Function) -> Function:
    """In the place of one event another one is sealed, which the log has not."""

    def wrong(*arguments: Any) -> Iterator[Any]:
        rows = list(original(*arguments))
        # Not the last one, which the sealer looks at before it seals what comes next.
        if len(rows) > 1 and SWITCH.strikes("skipped"):
            rows[0] = rows[0]._replace(state=b"{}")
        yield from rows

    return wrong


@plant("seal-leaves-a-field-out", "services.ledger.seal.sealer:rows_between")
def _leave_out(original: Function) -> Function:
    """Who it was is not sealed, and can be changed afterwards."""

    def wrong(*arguments: Any) -> Iterator[Any]:
        for row in original(*arguments):
            yield row._replace(actor="")

    return wrong

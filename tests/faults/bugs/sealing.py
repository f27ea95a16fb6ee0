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
        for row in original(*arguments):
            skipped = SWITCH.strikes("skipped")
            yield row._replace(state=b"{}") if skipped else row

    return wrong


@plant("seal-leaves-a-field-out", "services.ledger.seal.sealer:rows_between")
def _leave_out(original: Function) -> Function:
    """Who it was is not sealed, and can be changed afterwards."""

    def wrong(*arguments: Any) -> Iterator[Any]:
        for row in original(*arguments):
            yield row._replace(actor="")

    return wrong

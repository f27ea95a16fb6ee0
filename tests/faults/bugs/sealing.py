"""Bugs of the seal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.faults.bugs.planting import Function, plant
from tests.faults.bugs.switch import SWITCH


@plant("sealer-skips-an-event", "services.ledger.seal.sealer:rows_between")
def _skip(original: Function) -> Function:
    """The leaf of one event is that of the event before."""

    def wrong(*arguments: Any) -> Iterator[Any]:
        before = None
        for row in original(*arguments):
            if before is not None and SWITCH.strikes("skipped"):
                yield before._replace(notification_id=row.notification_id)
            else:
                yield row
            before = row

    return wrong

"""What moves to the next holder of a number, and what a file or a question finds of it later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import uuid4

import pytest
from corrected_ledger import FIRST, Ledger
from test_tenures import account, events, holder_changes

from services.ledger.domain.events import ChargesAdjusted, ServiceAmount
from services.ledger.importing.adjustments import Adjustment, Adjustments
from services.ledger.loading import load_account
from shared.errors import Conflict
from shared.eventstore import Session


def imports(ledger: Ledger, entry: Adjustment) -> None:
    """Post an adjustment of a file to the account whose month it is."""
    importing = Adjustments(lambda: ledger.clock.now().date(), None)

    def post(session: Session, entry: Adjustment) -> None:
        tenures = session.read.tenures([entry.account]).get(entry.account, ())
        importing.post(load_account(session, importing.holders_key(entry, tenures)), entry)

    ledger.does(post, entry)


def adjustment_of_file(period: str = "2026-10") -> Adjustment:
    lines = (ServiceAmount("heating", -500_00),)
    return Adjustment(
        row=2,
        last=2,
        start=0,
        end=1,
        rows=1,
        amount=-500_00,
        account=FIRST,
        adjustment_id=uuid4(),
        period=period,
        lines=lines,
        reason="act 7",
        effective_on=date(2026, 11, 1),
    )


@pytest.mark.parametrize("holders", [(10,), (10, 20)])
def test_adjustment_that_moved_with_its_month_is_not_posted_again_by_the_same_file(
    holders: Sequence[int],
) -> None:
    ledger, entry = Ledger(), adjustment_of_file()
    imports(ledger, entry)
    for tenure, day in enumerate(holders, start=2):
        holder_changes(ledger, date(2026, 10, day), tenure)
    key = f"{FIRST}-{len(holders) + 1}"
    with pytest.raises(Conflict) as refused:
        imports(ledger, entry)
    assert refused.value.code == "posted_already"
    assert account(ledger, key).principal == 5_500_00
    [copied] = [one for one in events(ledger, ChargesAdjusted) if one.account == key]
    assert copied.adjustment_id == entry.adjustment_id

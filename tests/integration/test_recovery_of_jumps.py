"""``saldo <service> recover`` of a reader that has jumped beyond its upstream's log."""

from __future__ import annotations

import pytest

from shared.bus.epochs import JUMP, read_history
from shared.bus.reading import rewind, stop
from tests.integration.bus_ends import pay
from tests.integration.restoring import House
from tests.integration.test_recovery import WHY, house

pytestmark = pytest.mark.nodes

__all__ = ["house"]


@pytest.mark.parametrize("grown", [False, True])
def test_reader_beyond_the_log_never_goes_back_to_its_head_of_the_moment(
    house: House, grown: bool
) -> None:
    house.open("payments")
    payments, ledger = house.stores["payments"], house.stores["ledger"]
    with ledger.transaction() as cursor:
        epoch = read_history(cursor).current.name
    pay(ledger, 1)
    point = JUMP + 2
    with payments.transaction() as cursor:
        rewind(cursor, "ledger", epoch, point)
        if grown:
            stop(cursor, "ledger", "has applied what the log does not have")
    if grown:
        pay(ledger, JUMP)
    house.publish("ledger")
    code, said = house.said("payments")
    [reader] = said["readers"]
    assert (code, reader["position"], reader["fork"]) == (1, point, 2)
    with house.recovering("payments"):
        house.publish("payments")
        code, said = house.said("payments", *WHY)
    assert (code, said["applied"]["readers"]) == (0, {"ledger": 2})
    assert house.said("payments")[0] == 0

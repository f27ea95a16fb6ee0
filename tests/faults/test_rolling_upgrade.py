"""An upgrade while payers pay: processes are replaced one by one, and nobody is refused.

The older version is an older commit, checked out and run by its own code on the same nodes. Two
servers, two workers, the sealer, and last the gateway are replaced, as docs/upgrading.md has it; a
balancer leads to the gateway.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from shared.config import SERVICES
from tests.bench.checkouts import (
    PAYERS_PROGRAM,
    Checkout,
    House,
    Person,
    checkout_of,
    this_checkout,
)
from tests.bench.payers import Payer
from tests.faults.rolling import PREPARED, Balancer, Load, RollingHouse, rolling_house

COMMIT = os.environ.get("SALDO_UPGRADE_FROM", "011bcf87")
"""The older version: the last one before tables that this one has migrated since."""
PAYERS = 4
BETWEEN = 8
"""Payments between two steps of the roll-out."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("SALDO_TEST_UPGRADE"), reason="two versions, takes long: make upgrade"
    ),
]


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RollingHouse]:
    folder = tmp_path_factory.mktemp("rolling")
    for path in (folder, folder.parent, folder.parent.parent):
        path.chmod(0o755)  # the nodes run as another user
    with rolling_house(folder / "state") as running:
        yield running


def _payers(house: RollingHouse, code: Checkout, stack: ExitStack) -> list[Payer]:
    environment = house.installation.environment
    code.module("deploy.demo", "load", env=environment)
    found = json.loads(code.run(PAYERS_PROGRAM, str(PAYERS), env=environment))
    people = [Person(**one) for one in found]
    paying = House("older", house.installation.state.root, environment, people)
    return [stack.enter_context(closing(Payer(paying, person))) for person in people]


def _parked(url: str) -> int:
    with psycopg.connect(url) as owner:
        rows = [
            owner.execute(f"SELECT count(*) FROM {name}.parked").fetchone() for name in SERVICES
        ]
    return sum(row[0] for row in rows if row)


def _audit(house: RollingHouse, code: Checkout) -> None:
    """Compare the tables of the ledger with a replay of its log, by the code of a version."""
    done = subprocess.run(
        [str(Path(code.python).with_name("saldo")), "ledger", "audit"],
        cwd=code.folder,
        env=os.environ | house.installation.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_version_is_rolled_out_while_payers_pay_and_nobody_is_refused(
    house: RollingHouse, record_property: Callable[[str, object], None]
) -> None:
    ours = this_checkout()
    with ExitStack() as stack:
        older = stack.enter_context(checkout_of(COMMIT))
        for name in PREPARED:
            house.once(older, name)
        workers = [house.start(older, "work") for _ in range(2)]
        sealer = house.start(older, "seal")
        servers = [house.start(older, "serve") for _ in range(2)]
        address = urlsplit(house.installation.environment["SALDO_URL"])
        balancer = stack.enter_context(closing(Balancer(address.port or 80)))
        gateway = house.gateway(older, balancer)
        load = Load(_payers(house, older, stack))
        load.begin()
        try:
            load.more(BETWEEN)
            for name in ("migrate", "broker"):
                house.once(ours, name)
                load.more(BETWEEN)
            for old in (*workers, sealer, *servers):
                house.replace(old, ours)
                load.more(BETWEEN)
            house.gateway(ours, balancer)
            gateway.end()
            load.more(BETWEEN)
            house.once(ours, "migrate", "--contract")
            load.more(BETWEEN)
        finally:
            paid = load.end()
    record_property(
        "measured", f"rolling upgrade: {paid} payments, slowest {max(load.seconds):.1f} s"
    )
    assert house.logged("rpc_failed") == []
    assert _parked(house.installation.environment["SALDO_DATABASE_URL"]) == 0
    _audit(house, ours)

"""An upgrade while payers pay: processes are replaced one by one, and nobody is refused.

The older version is an older commit, checked out and run by its own code on the same nodes. Two
servers, two workers, the sealer, and last the gateway are replaced, as docs/upgrading.md has it; a
balancer leads to the gateway. On the cluster there are two sealers and two gateways: HAProxy leads
to them, and each gateway ends before the next one begins in its place.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
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
from tests.faults.rolling import (
    PREPARED,
    Balancer,
    Load,
    RollingHouse,
    Running,
    rolling_cluster,
    rolling_house,
)

COMMIT = os.environ.get("SALDO_UPGRADE_FROM", "011bcf87")
"""The older version: the last one before tables that this one has migrated since."""
PAYERS = 4
BETWEEN = 8
"""Payments between two steps of the roll-out."""

ASKED = os.environ.get("SALDO_TEST_UPGRADE", "")
Record = Callable[[str, object], None]

pytestmark = pytest.mark.slow
on_one_node = pytest.mark.skipif(ASKED != "1", reason="two versions, takes long: make upgrade")
on_a_cluster = pytest.mark.skipif(
    ASKED != "cluster", reason="two versions on a cluster, takes long: make upgrade CLUSTER=1"
)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("rolling")
    for path in (made, made.parent, made.parent.parent):
        path.chmod(0o755)  # the nodes run as another user
    return made / "state"


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


def _prepared(stack: ExitStack, house: RollingHouse) -> Checkout:
    older = stack.enter_context(checkout_of(COMMIT))
    for name in PREPARED:
        house.once(older, name)
    return older


def _roll_out(
    house: RollingHouse,
    ours: Checkout,
    load: Load,
    old: Sequence[Running],
    replace_gateways: Callable[[], None],
) -> int:
    """Take the steps of docs/upgrading.md while payers pay; return how many payments they made."""
    load.begin()
    try:
        load.more(BETWEEN)
        for name in ("migrate", "broker"):
            house.once(ours, name)
            load.more(BETWEEN)
        for one in old:
            house.replace(one, ours)
            load.more(BETWEEN)
        replace_gateways()
        load.more(BETWEEN)
        house.once(ours, "migrate", "--contract")
        load.more(BETWEEN)
    finally:
        paid = load.end()
    return paid


def _check(house: RollingHouse, ours: Checkout) -> None:
    assert house.logged("rpc_failed") == []
    assert _parked(house.installation.environment["SALDO_DATABASE_URL"]) == 0
    _audit(house, ours)


def _measured(record: Record, where: str, paid: int, load: Load) -> None:
    slowest = max(load.seconds)
    record("measured", f"rolling upgrade{where}: {paid} payments, slowest {slowest:.1f} s")


@on_one_node
def test_a_version_is_rolled_out_while_payers_pay_and_nobody_is_refused(
    folder: Path, record_property: Record
) -> None:
    ours = this_checkout()
    with ExitStack() as stack:
        house = stack.enter_context(rolling_house(folder))
        older = _prepared(stack, house)
        workers = [house.start(older, "work") for _ in range(2)]
        sealer = house.start(older, "seal")
        servers = [house.start(older, "serve") for _ in range(2)]
        address = urlsplit(house.installation.environment["SALDO_URL"])
        balancer = stack.enter_context(closing(Balancer(address.port or 80)))
        gateway = house.gateway(older, balancer)

        def replace_gateway() -> None:
            house.gateway(ours, balancer)
            gateway.end()

        load = Load(_payers(house, older, stack))
        paid = _roll_out(house, ours, load, [*workers, sealer, *servers], replace_gateway)
        _measured(record_property, "", paid, load)
        _check(house, ours)


@on_a_cluster
def test_a_version_is_rolled_out_on_a_cluster_while_payers_pay_and_nobody_is_refused(
    folder: Path, record_property: Record
) -> None:
    ours = this_checkout()
    with ExitStack() as stack:
        house = stack.enter_context(rolling_cluster(folder))
        older = _prepared(stack, house)
        replicated = [f"{kind}-{number}" for kind in ("work", "seal", "serve") for number in (1, 2)]
        old = [house.start(older, name) for name in replicated]
        gateways = [house.start_at_home(older, f"gateway-{number}") for number in (1, 2)]
        load = Load(_payers(house, older, stack))

        def replace_gateways() -> None:
            for gateway in gateways:
                load.more(BETWEEN)
                gateway.end()
                house.start_at_home(ours, gateway.name)

        paid = _roll_out(house, ours, load, old, replace_gateways)
        _measured(record_property, " on a cluster", paid, load)
        _check(house, ours)

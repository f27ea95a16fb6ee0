"""Processes are killed while people pay: they come back, and no kopeck is lost or doubled."""

from __future__ import annotations

import signal
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.demo import reconciling
from deploy.demo.company import demo_accounts, households
from deploy.demo.loop import Place, Record, read_beliefs, run_loop
from deploy.embedded import process
from deploy.embedded.installation import Installation
from tests.e2e.waiting import wait_for

pytestmark = pytest.mark.nodes

BACK_SECONDS = 5.0


def test_whatever_is_killed_comes_back_and_all_agree(
    installation: Installation, tmp_path: Path
) -> None:
    environment = installation.environment
    place = Place(
        environment["SALDO_URL"],
        Path(environment["SALDO_MAIL_DIR"]),
        households(demo_accounts()),
    )
    path = tmp_path / "beliefs.jsonl"
    with path.open("w", encoding="utf-8") as file, ThreadPoolExecutor(1) as pool:
        record = Record(file)
        looping = pool.submit(run_loop, place, record, 12.0, 3)
        for name in ("work", "serve", "gateway", "acquirer"):
            _see_payments(record, looping, 3)
            _kill_and_see_it_come_back(installation, name)
        looping.result()

    picture, differences = reconciling.wait_for_agreement(
        lambda: reconciling.take_picture(
            environment["SALDO_DATABASE_URL"], environment["SALDO_ACQUIRER_URL"]
        ),
        60,
    )
    assert differences == []
    beliefs = read_beliefs(path)
    assert beliefs == record.beliefs
    assert reconciling.compare_beliefs(beliefs, picture) == []
    payments = Counter(belief.payment_id for belief in beliefs if belief.payment_id)
    assert set(payments.values()) == {1}, "each key made a payment of its own"
    assert sum(belief.charged == "yes" for belief in beliefs) > 5
    assert reconciling.parked_messages(environment["SALDO_DATABASE_URL"]) == []
    assert reconciling.audit() == []


def _see_payments(record: Record, looping: Future[None], count: int) -> None:
    enough = len(record.beliefs) + count
    wait_for(lambda: looping.done() or len(record.beliefs) >= enough, 60)
    assert not looping.done(), looping.exception() or "the loop ended too early"


def _kill_and_see_it_come_back(installation: Installation, name: str) -> None:
    killed = installation.identities()[name]
    assert process.send(killed, signal.SIGKILL)

    def is_back() -> bool:
        now, state = installation.identities().get(name), installation.status().get(name)
        return (
            now not in {None, killed}
            and state is not None
            and state.settled
            and now is not None
            and state.pid == now.pid
        )

    wait_for(is_back, BACK_SECONDS)

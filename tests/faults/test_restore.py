"""The drill: payments go on after a backup, and the databases are put back to it.

People pay over HTTP while the databases are dumped, and go on paying: some of those payments are
acknowledged, charged and posted when the dump takes the place of the databases. Each service finds
that its log has lost something, and is recovered; afterwards acquirer, payments and ledger agree to
the kopeck, with what the payers believe as well. So do the tables of subscribers, who had got
events that are lost.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from deploy.demo.loop import Belief, read_beliefs
from deploy.embedded.backup import back_up, restore
from deploy.embedded.installation import Installation
from deploy.embedded.surroundings import REPOSITORY
from shared.config import SERVICES
from tests.faults.test_examples import EXAMPLES, Example, subscriber_environment
from tests.waiting import eventually

LOOP_S = 600.0  # at most: the test ends it
FIRST, MORE = 4, 8
SLOW_S = 120.0
WHY = ("--apply", "--reason", "restored from the backup of the drill")


@pytest.fixture
def examples(installation: Installation, tmp_path: Path) -> Iterator[list[Example]]:
    """Subscribers who keep a table of balances of their own."""
    env = subscriber_environment(installation)
    made = [
        Example(name, [sys.executable, "-I", str(EXAMPLES / name / "balances.py")], tmp_path, env)
        for name in ("pika", "http")
    ]
    for example in made:
        example.start()
    yield made
    for example in made:
        example.kill()


def program(module: str, *words: str) -> list[str]:
    return [sys.executable, "-m", module, *words]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def recovered(service: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the output of ``saldo <service> recover``."""
    done = run(*program("services.cli", service, "recover", "--json", *options))
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def completed(record: Path) -> list[Belief]:
    if not record.exists():
        return []
    return [belief for belief in read_beliefs(record) if belief.state == "completed"]


def rows(installation: Installation, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(installation.environment["SALDO_DATABASE_URL"]) as owner:
        return owner.execute(query).fetchall()


def pay_around(backup: Callable[[], object], record: Path) -> list[Belief]:
    """Have people pay before, during and after a backup; return what was completed since it."""
    loop = ("loop", "--for", str(LOOP_S), "--parallel", "3", "--record", str(record))
    paying = subprocess.Popen(
        program("deploy.demo", *loop),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def reached(count: int) -> bool:
        assert paying.poll() is None, paying.communicate()[0]
        return len(completed(record)) >= count

    try:
        eventually(lambda: reached(FIRST), "the first payments are completed", SLOW_S)
        backup()
        before = {belief.payment_id for belief in completed(record)}
        eventually(lambda: reached(len(before) + MORE), "more payments are completed", SLOW_S)
        paying.terminate()
        output, _ = paying.communicate(timeout=180)
    finally:
        paying.kill()
    assert paying.returncode == 0, output
    return [belief for belief in completed(record) if belief.payment_id not in before]


def test_house_is_of_one_mind_again_after_a_restore(
    installation: Installation, examples: list[Example], tmp_path: Path
) -> None:
    record, folder = tmp_path / "beliefs.jsonl", tmp_path / "backup"
    environment = dict(installation.environment)
    since = pay_around(lambda: back_up(environment, folder), record)
    assert len(since) >= MORE
    for example in examples:
        # They have got what is lost soon.
        eventually(lambda of=example: of.table() == table(installation), example.name, SLOW_S)  # type: ignore[misc]
    installation.down()
    installation.up(["postgres"])
    assert restore(environment, folder) == ["data", "keys"]
    known = {str(one) for (one,) in rows(installation, "SELECT payment_id FROM payments.payments")}
    lost = [belief for belief in since if belief.payment_id not in known]
    assert lost  # or the drill has drilled nothing
    installation.up()

    noticed = {
        service: eventually(
            lambda service=service: _noticed(service),  # type: ignore[misc]
            f"{service} has searched for what it has lost",
            SLOW_S,
        )
        for service in SERVICES
    }
    assert {belief.payment_id for belief in lost} <= _subjects(noticed["payments"])
    assert noticed["ledger"]["counts"]["payment_posted"] >= len(lost)
    verified = run(*program("services.cli", "ledger", "verify", "--json"))
    assert "not_recovered" in {one["kind"] for one in json.loads(verified.stdout)["findings"]}

    for service in ("payments", *(name for name in SERVICES if name != "payments")):
        code, said = recovered(service, *WHY)
        assert code == 0, said
    for service in SERVICES:
        assert recovered(service)[0] == 0, service

    reconciled = run(
        *program("deploy.demo", "reconcile", "--record", str(record), "--wait", str(SLOW_S))
    )
    assert reconciled.returncode == 0, reconciled.stdout + reconciled.stderr
    assert run(*program("services.cli", "ledger", "checkpoint")).returncode == 0
    verified = run(*program("services.cli", "ledger", "verify", "--json"))
    report = json.loads(verified.stdout)
    assert (verified.returncode, report["findings"]) == (0, []), report["findings"]
    assert [one["lost"] for one in report["restores"]] == [len(noticed["ledger"]["lost"])]

    for example in examples:
        example.kill()
        example.start()
        eventually(lambda of=example: of.table() == table(installation), example.name, SLOW_S)  # type: ignore[misc]


def table(installation: Installation) -> dict[str, tuple[int, int, int]]:
    """Return the balances of the ledger as the examples keep them."""
    found = rows(installation, "SELECT number, principal, penalty, advance FROM ledger.balances")
    return {row[0]: (row[1], row[2], row[3]) for row in found}


def _noticed(service: str) -> dict[str, Any] | None:
    """Return what a service says of its losses, once it knows them."""
    _, said = recovered(service)
    known = said["confirmed"] and not said["unsearched"]
    return said if known else None


def _subjects(said: dict[str, Any]) -> set[str]:
    return {one["subject"] for one in said["lost"]}

"""A load that somebody wrote from the README alone, judged by the checker's command."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from random import Random
from typing import Any
from uuid import uuid4

import pytest
import requests

from deploy.demo.acquirer_page import PAYS, Payer
from deploy.demo.company import demo_accounts, households
from deploy.embedded.installation import Installation
from deploy.embedded.surroundings import REPOSITORY
from tests.faults.load.beliefs import Notebook
from tests.faults.load.newcomers import Settlers
from tests.faults.load.residents import Resident
from tests.waiting import eventually

CLEAN, VIOLATED, WRONG = 0, 1, 2
CHECK_S = 240.0
SETTLED_S = 60.0


def settled(installation: Installation, folder: Path) -> Resident:
    """Return a person with an account, whose own beliefs are of no interest here."""
    with closing(Notebook(folder / "settling.jsonl")) as notebook:
        settlers = Settlers(
            installation.environment["SALDO_URL"],
            Path(installation.environment["SALDO_MAIL_DIR"]),
            households(demo_accounts()),
            notebook,
            SimpleQueue(),
        )
        return settlers.settle("stranger", Random(1), accounts=1)  # noqa: S311 - no secret


def belief(outcome: str, identity: str, **data: Any) -> str:
    return json.dumps(
        {
            "id": identity,
            "at": time.time(),
            "who": "stranger",
            "what": "payment.start",
            "outcome": outcome,
            "data": data,
        }
    )


def check(env: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.faults", "check", "--env", str(env), *words],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=CHECK_S,
    )  # fmt: skip


@pytest.mark.slow
def test_load_that_follows_the_readme_is_judged_by_what_it_believes(
    installation: Installation, tmp_path: Path
) -> None:
    env = installation.state.root / "env"
    person = settled(installation, tmp_path)
    api = f"{installation.environment['SALDO_URL']}/api/v1"
    command, lines = str(uuid4()), [[person.accounts[0], 100_00, 0]]
    beliefs = [belief("asked", command, lines=lines)]
    headers = {
        "Authorization": f"Bearer {person.token}",
        "X-Request-Id": command,
        "Idempotency-Key": str(uuid4()),
    }
    line = {"account": person.accounts[0], "amount": 100_00, "penalty": 0}
    answer = requests.post(f"{api}/payments", json={"lines": [line]}, headers=headers, timeout=30)
    started = answer.json()
    beliefs.append(belief("acknowledged", command, lines=lines, payment_id=started["payment_id"]))

    def page() -> str | None:
        found = requests.get(
            f"{api}/payments/{started['payment_id']}", headers=headers, timeout=30
        ).json()["redirect_url"]
        ours = found is None or found.startswith(installation.environment["SALDO_URL"])
        return None if ours else str(found)

    opened = eventually(page, "the bank's page is known", SETTLED_S)
    assert opened is not None
    file = tmp_path / "beliefs.jsonl"
    file.write_text("\n".join(beliefs) + "\n")

    unpaid = check(env, "--beliefs", str(file), "--only", "I8")
    assert unpaid.returncode == CLEAN, unpaid.stdout  # the payer may still enter a card

    Payer(patience=30).pay(opened, PAYS)
    true = check(env, "--beliefs", str(file))
    assert true.returncode == CLEAN, true.stdout
    assert "no line about a subscriber" in true.stdout

    invented = belief("acknowledged", str(uuid4()), lines=lines, payment_id=str(uuid4()))
    file.write_text(invented + "\n")
    false = check(env, "--beliefs", str(file), "--only", "I2")
    assert false.returncode == VIOLATED
    assert "VIOLATION I2 acknowledged and missing" in false.stdout

    file.write_text(belief("acknowledged", str(uuid4()), lines=lines) + "\n")
    bad = check(env, "--beliefs", str(file))
    assert bad.returncode == WRONG
    assert "line 1: payment.start needs payment_id in its data" in bad.stdout

    kept = tmp_path / "env"
    kept.write_bytes(env.read_bytes())
    installation.reset()
    gone = check(kept, "--wait", "0")
    assert gone.returncode == WRONG
    assert "does not answer" in gone.stdout

"""The ready demo person: made over HTTP, with something to see on each page of the cabinet."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.demo import reconciliation
from deploy.demo.client import CabinetClient
from deploy.embedded.installation import Installation
from deploy.embedded.surroundings import REPOSITORY

pytestmark = pytest.mark.nodes


def test_demo_person_logs_in_to_a_cabinet_with_something_on_each_page(
    installation: Installation,
) -> None:
    environment = installation.environment
    person = _make_person(installation.state.demo)
    client = CabinetClient(environment["SALDO_URL"])
    assert not client.sign_in(person["email"], person["password"])["must_change_password"]
    profile = client.profile()
    assert profile["full_name"] == "Выдумкина Вера Небылицовна"
    assert profile["phone"]

    assert [account["number"] for account in client.accounts()] == person["accounts"]
    owing, settled, ahead = (client.balance(number) for number in person["accounts"])
    assert owing["principal"] > 0
    assert owing["penalty"] > 0
    assert [settled[part] for part in ("principal", "penalty", "advance")] == [0, 0, 0]
    assert ahead["advance"] > 0

    year = client.call("GET", f"/accounts/{person['accounts'][0]}/charges", limit=24)["months"]
    assert len(year) == 13
    recalculated = [line for month in year for line in month["lines"] if line["recalculation"]]
    assert recalculated
    assert all(line["explanation"] for line in recalculated)

    payments = client.history()
    assert [payment["state"] for payment in payments] == ["failed", "completed", "completed"]
    assert all(client.receipt(payment["payment_id"])["postings"] for payment in payments[1:])
    questions = client.call("GET", "/questions")["questions"]
    assert [question["state"] for question in questions] == ["open", "answered"]

    snapshot = reconciliation.take_snapshot(
        environment["SALDO_DATABASE_URL"], reconciliation.acquirer_urls(environment)
    )
    assert reconciliation.compare(snapshot) == []
    assert reconciliation.audit() == []


def _make_person(file: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "deploy.demo", "person", "--file", str(file)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    assert file.stat().st_mode & 0o777 == 0o600
    person: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert sorted(person) == ["accounts", "email", "password"]
    return person

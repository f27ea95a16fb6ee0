"""schemathesis finds nothing: the API does what its description says, and refuses the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.demo import reconciliation
from deploy.embedded.surroundings import REPOSITORY
from tests.conftest import Database
from tests.demo_installation import demo_installation
from tests.fuzzing.cabinets import Cabinets, Plan

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = int(os.environ.get("SALDO_TEST_FUZZING_EXAMPLES", "10"))
"""Generated requests per operation, and scenarios of several."""
DEPARTMENTS = REPOSITORY / "services" / "helpdesk" / "departments.yaml"
Statuses = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Target:
    """The API of an installation, and what is known of its cabinets."""

    url: str
    database_url: str
    plan: Plan


@pytest.fixture(scope="module")
def target(
    module_database: Database, module_bus: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """Run an installation with cabinets, where nobody can ask too many questions."""
    folder = tmp_path_factory.mktemp("fuzzing")
    departments = folder / "departments.yaml"
    text = DEPARTMENTS.read_text(encoding="utf-8")
    departments.write_text(text.replace("_per_day: ", "_per_day: 9999"), encoding="utf-8")
    with demo_installation(
        module_database.settings, folder / "saldo", SALDO_HELPDESK_DEPARTMENTS=str(departments)
    ) as installation:
        environment = installation.environment
        plan = Cabinets(environment).plan()
        yield Target(environment["SALDO_URL"], environment["SALDO_DATABASE_URL"], plan)


IN_A_LETTER = frozenset({
    "accept_invitation", "cancel_email_change", "confirm_email_change", "erase_me",
    "preview_invitation", "refuse_email_change", "request_email_change", "withdraw_access",
})  # fmt: skip
"""Operations that take what stands in a letter, or end the cabinet: here they are only refused;
tests/browser (test_mailbox, test_sharing, test_personal_data) and the access matrix do them."""


def test_schemathesis_finds_nothing_with_sessions(
    target: Target, tmp_path: Path, record_property: Any
) -> None:
    statuses = _fuzz(target, target.plan.tokens, tmp_path)
    never = [
        operation
        for operation, counted in statuses.items()
        if not any(status.startswith("2") for status in counted)
    ]
    assert set(never) <= IN_A_LETTER, "operations that no request has reached"
    assert [one for one, counted in statuses.items() if "429" in counted] == []
    assert reconciliation.parked_messages(target.database_url) == []
    total = sum(sum(counted.values()) for counted in statuses.values())
    record_property("measured", f"fuzzing: {total} requests to {len(statuses)} operations")


def test_schemathesis_finds_nothing_without_a_session(target: Target, tmp_path: Path) -> None:
    statuses = _fuzz(target, {}, tmp_path, "--phases", "examples,fuzzing")
    assert not any(status.startswith("2") for status in statuses["profile"])
    assert any(status.startswith("2") for status in statuses["document"])


def _fuzz(target: Target, tokens: Mapping[str, str], folder: Path, *options: str) -> Statuses:
    """Run schemathesis; return how often each operation answered with which status."""
    plan, tally, configuration = (folder / name for name in ("plan", "tally", "schemathesis.toml"))
    known = {
        "tokens": tokens,
        "requests": target.plan.requests,
        "secrets": target.plan.secrets,
        "database_url": target.database_url,
    }
    plan.write_text(json.dumps(known), encoding="utf-8")
    dictionaries = "".join(
        f"{name} = {{ values = {json.dumps(values)} }}\n"
        for name, values in target.plan.paths.items()
    )
    text = CONFIGURATION.read_text(encoding="utf-8")
    configuration.write_text(f"{text}\n[dictionaries]\n{dictionaries}", encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--no-color"),
            *("--config-file", str(configuration), "run", f"{target.url}/api/v1/openapi.json"),
            *("--max-examples", str(EXAMPLES), *options),
        ],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.fuzzing.hooks",
            "FUZZING_PLAN": str(plan),
            "FUZZING_TALLY": str(tally),
        },
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    statuses: Statuses = json.loads(tally.read_text(encoding="utf-8"))
    return statuses

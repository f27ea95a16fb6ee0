"""Who has access to an account, as staff see and change it by `saldo accounts`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from services import terminal
from services.cli import app
from tests.conftest import Database
from tests.staff_terminal import grant, services_here, staff_amqp_url

pytestmark = pytest.mark.nodes

DEMO = Path(__file__).parents[2] / "deploy" / "demo" / "accounts.csv"
NUMBER = "0100000001"
WHY = ("--reason", "passport shown at the desk")
Run = Callable[..., Result]


@pytest.fixture
def run(database: Database, monkeypatch: pytest.MonkeyPatch) -> Run:
    with monkeypatch.context() as patch:
        patch.setattr(terminal, "load_settings", lambda: database.settings)
        words = ["accounts", "import", str(DEMO), "--reason", "demo company"]
        assert CliRunner().invoke(app, words).exit_code == 0
    grant(database.settings, "accounts", "clerk", "read", None)
    for permission in ("read", "link"):
        grant(database.settings, "accounts", "operator", permission, None)
    stores = {"accounts": database.store("accounts")}

    def run(*words: object, by: str = "operator") -> Result:
        env = {"SALDO_AMQP_URL": staff_amqp_url(by), "LC_ALL": "C"}
        with services_here(stores):
            return CliRunner().invoke(app, ["accounts", *map(str, words)], env=env)

    return run


def links(run: Run, number: str = NUMBER) -> list[dict[str, Any]]:
    result = run("links", number, "--json", by="clerk")
    assert result.exit_code == 0, (result.output, result.exception)
    found: list[dict[str, Any]] = json.loads(result.stdout)["links"]
    return found


def test_access_is_given_and_taken_by_hand_and_noted(database: Database, run: Run) -> None:
    person_id = uuid4()
    assert run("link", "0100 0000-01", person_id, *WHY, "--dry-run").exit_code == 0
    assert links(run) == []
    given = run("link", "0100 0000-01", person_id, "--role", "payer", *WHY)
    assert given.exit_code == 0, (given.output, given.exception)
    [link] = links(run)
    assert (link["person_id"], link["role"], link["proven_by"]) == (
        str(person_id), "payer", "staff",
    )  # fmt: skip
    shown = run("links", NUMBER, by="clerk").stdout
    assert str(person_id) in shown
    assert "payer" in shown
    assert run("unlink", NUMBER, person_id, *WHY).exit_code == 0
    assert links(run) == []
    entries = database.store("accounts").query(
        lambda session: session.security.entries(person_id=person_id, limit=10)
    )
    assert [(one.action, one.about, one.reason, one.actor) for one in entries] == [
        ("account_unlinked", f"account:{NUMBER}", WHY[1], "staff:operator"),
        ("account_linked", f"account:{NUMBER}", WHY[1], "staff:operator"),
    ]


def test_only_who_is_granted_it_changes_access(run: Run) -> None:
    for verb in ("link", "unlink"):
        refused = run(verb, NUMBER, uuid4(), *WHY, by="clerk")
        assert (refused.exit_code, "permission link" in refused.stderr) == (2, True)
    assert run("links", NUMBER, by="stranger").exit_code == 2
    assert links(run) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("link", "9999999999", str(uuid4()), *WHY), "no such account"),
        (("unlink", NUMBER, str(uuid4()), *WHY), "has not linked"),
        (("link", NUMBER, str(uuid4()), "--role", "guest", *WHY), "--role"),
        (("link", NUMBER, str(uuid4()), "--reason", " "), "--reason"),
    ],
)
def test_what_cannot_be_is_refused(run: Run, words: tuple[str, ...], said: str) -> None:
    refused = run(*words)
    assert (refused.exit_code, said in refused.stderr) == (2, True), refused.output


def test_attempts_to_prove_an_account_are_read(database: Database, run: Run) -> None:
    person_id = uuid4()
    with database.owner("accounts") as owner:
        owner.execute(
            "INSERT INTO attempts_log (at, person_id, number, network, purpose, outcome)"
            " VALUES (now(), %s, %s, %s, 'link', 'refused')",
            (person_id, NUMBER, "0123456789abcdef0123456789abcdef"),
        )
    [attempt] = json.loads(run("attempts", NUMBER, "--json", by="clerk").stdout)["attempts"]
    assert (attempt["person_id"], attempt["outcome"]) == (str(person_id), "refused")
    assert attempt["network"] == "01234567"
    assert "refused" in run("attempts", by="clerk").stdout

"""Staff verbs start at once: what they do not need is not imported.

Each case runs in an interpreter of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli import app
from services.verbs import StaffVerbs, help_of

REPOSITORY = Path(__file__).resolve().parents[2]
WATCHED = (
    "cryptography",
    "eventlet",
    "kombu",
    "marshmallow",
    "nameko",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "requests",
    "structlog",
    "yaml",
)
LISTING = f"""
import json, os, sys
from services.cli import main

sys.argv[:1] = ["saldo"]
try:
    main()
finally:
    json.dump({{
        "heavy": sorted(set({WATCHED!r}) & sys.modules.keys()),
        "commands": sorted(
            name.removeprefix("services.")
            for name in sys.modules
            if name.startswith(("services.ledger.commands.", "services.payments.commands."))
        ),
    }}, open(os.environ["LOADED"], "w"))
"""
NOBODY = "postgresql://nobody@127.0.0.1:1/nothing"


def started(tmp_path: Path, *words: str, **env: str) -> tuple[dict[str, list[str]], str]:
    """Return what a command has imported of what is watched, and its output."""
    loaded = tmp_path / "loaded.json"
    done = subprocess.run(
        [sys.executable, "-c", LISTING, *words],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "LOADED": str(loaded), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert loaded.exists(), done.stderr
    found: dict[str, list[str]] = json.loads(loaded.read_text("utf-8"))
    return found, done.stdout + done.stderr


def completed(tmp_path: Path, words: str) -> tuple[dict[str, list[str]], str]:
    """Return the same of what bash runs to complete the last word of a command."""
    return started(
        tmp_path,
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split()) - 1),
        _SALDO_COMPLETE="complete_bash",
    )


@pytest.mark.parametrize("group", [(), ("ledger",), ("bus", "subscriber")])
def test_help_imports_no_verb_and_nothing_that_verbs_need(
    tmp_path: Path, group: tuple[str, ...]
) -> None:
    found, said = started(tmp_path, *group, "--help")
    assert "Usage: saldo" in said
    assert found == {"heavy": [], "commands": []}


def test_a_verb_that_reads_the_database_starts_without_the_bus(tmp_path: Path) -> None:
    found, said = started(tmp_path, "ledger", "balance", "01", SALDO_DATABASE_URL=NOBODY)
    assert "The database" in said
    assert set(found["heavy"]) <= {
        "cryptography",  # of the keys under which personal data is sealed
        "prometheus_client",
        "psycopg",
        "yaml",  # of the rules of penalties
    }
    assert "ledger.commands.balances" in found["commands"]
    assert "ledger.commands.seal" not in found["commands"]
    assert not [name for name in found["commands"] if name.startswith("payments")]


@pytest.mark.parametrize("role", ["supervisor", "watchdog"])
def test_supervisor_and_watchdog_import_no_service_and_nothing_heavy(role: str) -> None:
    program = f"import deploy.embedded.{role}, json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, timeout=60, check=True
    )
    held = set(json.loads(done.stdout))
    assert not {*WATCHED, "services"} & held


def test_completion_lists_verbs_without_importing_them(tmp_path: Path) -> None:
    found, said = completed(tmp_path, "saldo ledger bal")
    assert "balance" in said.split()
    assert found == {"heavy": [], "commands": []}


def test_completion_knows_the_options_of_a_verb(tmp_path: Path) -> None:
    _, said = completed(tmp_path, "saldo ledger balance --as")
    assert "--as-of" in said.split()


def test_a_list_of_verbs_says_what_each_says_itself() -> None:
    groups = [app, *(group.typer_instance for group in app.registered_groups)]
    listed = 0
    for group in groups:
        assert isinstance(group, StaffVerbs)
        for function in group.functions.values():
            listed += 1
            assert " ".join(function.documentation().split()) == " ".join(
                help_of(function.load()).split()
            )
    assert listed > 80

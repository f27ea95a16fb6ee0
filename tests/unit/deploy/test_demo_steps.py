"""What of the demo runs at each `make up`, and what it shows."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from deploy.embedded import demonstration
from deploy.embedded.console import addresses
from deploy.embedded.state import StateDir

ENVIRONMENT = {
    "SALDO_URL": "http://127.0.0.1:1",
    "SALDO_MAILBOX_URL": "http://127.0.0.1:2",
    "SALDO_ACQUIRER_URL": "http://127.0.0.1:3",
    "SALDO_ACQUIRER_KASSA_URL": "http://127.0.0.1:11",
    "SALDO_DATABASE_URL": "postgresql://owner:secret@127.0.0.1:4/saldo",
    "SALDO_AMQP_URL": "amqp://saldo:secret@127.0.0.1:5/",
    "SALDO_AMQP_ADMIN_URL": "http://saldo:secret@127.0.0.1:10",
    "SALDO_MONITORING_URL_GATEWAY": "http://127.0.0.1:6",
    "SALDO_MONITORING_URL_SERVE": "http://127.0.0.1:7",
    "SALDO_MONITORING_URL_WORK": "http://127.0.0.1:8",
    "SALDO_MONITORING_URL_SEAL": "http://127.0.0.1:9",
}
PERSON = {"email": "vera@demo.invalid", "password": "a password", "accounts": []}


class Demo:
    """An installation whose demo only notes its steps; `person` writes its file."""

    def __init__(self, root: Path) -> None:
        self.state = StateDir(root)
        self.state.create()
        self.environment = dict(ENVIRONMENT)
        self.steps: list[str] = []

    def run(self, command: list[str], **_how: Any) -> Any:
        self.steps.append(command[-1])
        if command[-1] == "person":
            self.state.demo.write_text(json.dumps(PERSON), encoding="utf-8")
        return SimpleNamespace(returncode=0)

    def up(self, *, again: bool) -> list[str]:
        """Return the steps of one `make up`."""
        self.steps = []
        assert not demonstration.show_demo(self, again=again)  # type: ignore[arg-type]
        return self.steps


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
    made = Demo(tmp_path / ".saldo")
    monkeypatch.setattr(demonstration.subprocess, "run", made.run)
    return made


def test_second_make_up_changes_nothing_in_the_demo(demo: Demo) -> None:
    assert demo.up(again=True) == ["load", "journey", "person"]
    assert demo.up(again=False) == []


def test_restart_runs_the_journey_and_keeps_the_demo_person(demo: Demo) -> None:
    demo.up(again=True)
    assert demo.up(again=True) == ["journey"]


def test_demo_person_is_made_again_for_another_database_or_without_its_file(demo: Demo) -> None:
    demo.up(again=True)
    demo.state.demo.unlink()
    assert demo.up(again=False) == ["person"]
    demo.environment["SALDO_DATABASE_URL"] += "2"
    assert demo.up(again=False) == ["load", "journey", "person"]


def test_addresses_show_the_demo_person_beside_the_cabinet(demo: Demo) -> None:
    assert "a password" not in _shown(demo)
    demo.up(again=True)
    cabinet, email, password, *_ = _shown(demo).splitlines()
    assert "http://127.0.0.1:1/" in cabinet
    assert PERSON["email"] in email
    assert PERSON["password"] in password


def test_addresses_show_the_reference_of_the_api(demo: Demo) -> None:
    assert "http://127.0.0.1:1/api/docs" in _shown(demo)


def test_addresses_show_where_the_settings_of_staff_and_subscribers_lie(demo: Demo) -> None:
    shown = _shown(demo)

    assert str(demo.state.staff / "*.env") in shown
    assert str(demo.state.subscribers / "*.env") in shown


def test_addresses_show_the_management_page_without_its_password(demo: Demo) -> None:
    shown = _shown(demo)

    assert "http://127.0.0.1:10/" in shown
    assert "secret" not in shown


def _shown(demo: Demo) -> str:
    console = Console(width=300)
    with console.capture() as captured:
        console.print(addresses(demo.environment, demo.state))
    return captured.get()

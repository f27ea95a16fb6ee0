"""One person is one actor, however the name is written and whichever verb takes it."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rpc_verbs import BY_RPC
from typer.testing import CliRunner

from services import bus_cli, terminal
from services.cli import app
from services.ledger.commands import import_files
from services.terminal import StaffVerbs, author
from shared import context
from shared.clock import SystemClock
from shared.errors import Unavailable

SPELLINGS = ["ivanova", "Ivanova", "staff:ivanova", " ivanova ", "Staff: IVANOVA", "ｉｖａｎｏｖａ"]
SETTINGS = {
    "SALDO_AMQP_URL": "amqp://nobody:nothing@127.0.0.1:1/",
    "SALDO_SECRET": "00" * 32,
    **{
        f"SALDO_DATABASE_URL_{name}": "postgresql://nobody@127.0.0.1:1/nothing"
        for name in ("LEDGER", "ACCOUNTS", "HELPDESK")
    },
}


class Found:
    """Stands in for what is read: nothing is kept, no checkpoint, no unsealed event."""

    def __bool__(self) -> bool:
        return False

    def __iter__(self) -> Iterator[Any]:
        return iter((None, 0))


class RecordingStore:
    """Stands in for the store of any service, and records in whose name it is to write."""

    clock = SystemClock()

    def __init__(self) -> None:
        self.actors: list[str] = []
        self.recorder = self

    def query(self, _: Callable[..., Any]) -> Any:
        return Found()

    def max_notification_id(self) -> int:
        return 0

    def execute(self, _: Any, command: Any) -> Any:
        self.actors += [context.current().actor, *actors_in(command)]
        raise Unavailable("recorded", "The actor is recorded.")

    transact = execute

    @contextmanager
    def session(self, cause: Any = None) -> Iterator[Any]:
        self.actors += actors_in(cause) or [context.current().actor]
        raise Unavailable("recorded", "The actor is recorded.")
        yield

    def execute_import(self, _: Any, request: Any, __: Any) -> Any:
        self.actors += actors_in(request)
        raise Unavailable("recorded", "The actor is recorded.")

    def close(self) -> None:
        """Have nothing to close."""


def actors_in(command: Any) -> list[str]:
    return [getattr(command, name) for name in ("actor", "by") if hasattr(command, name)]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> RecordingStore:
    made = RecordingStore()
    monkeypatch.setattr(terminal, "open_store", lambda *_, **__: made)
    monkeypatch.setattr(import_files, "import_file", made.execute_import)
    monkeypatch.setattr(bus_cli, "connect", lambda *_, **__: made.session())
    return made


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    file = tmp_path / "contracts.csv"
    header = "number;holder;address;payer_kind"
    file.write_text(f"{header}\n01;Петров Пётр;г. Примерск, ул. Первая, д. 1;household\n", "utf-8")
    return file


WRITING = {
    "ledger import": ("CONTRACTS",),
    "ledger checkpoint": (),
    "bus replay": ("ledger", "--to-queue", "erp.from.ledger"),
    "ledger accrue": ("--on", "2026-01-31"),
    "ledger replay": ("--all",),
    "accounts import": ("CONTRACTS",),
    "bus parked": ("ledger", "--drop", "7"),
}


def test_every_writing_verb_is_tried_here() -> None:
    writing = {
        f"{group.name} {name}"
        for group in app.registered_groups
        if isinstance(group.typer_instance, StaffVerbs)
        for name, verb in group.typer_instance.verbs.items()
        if verb.writes
    }
    assert writing == WRITING.keys() | BY_RPC.keys()


@pytest.mark.parametrize("verb", WRITING)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_verb_records_one_actor_for_every_spelling(
    store: RecordingStore, contracts: Path, verb: str, spelling: str
) -> None:
    words = [str(contracts) if word == "CONTRACTS" else word for word in WRITING[verb]]
    by = ("--actor", spelling, "--reason", "order 17")
    result = CliRunner().invoke(app, [*verb.split(), *words, *by], env=SETTINGS)
    assert result.exit_code == 2, (result.output, result.exception)
    assert "The actor is recorded." in result.stderr
    assert set(store.actors) == {"staff:ivanova"}


def test_a_name_is_one_actor_and_a_reason_one_line() -> None:
    assert {author(name, " act \n 7 ") for name in SPELLINGS} == {("staff:ivanova", "act 7")}


def test_the_login_name_acts_when_no_other_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "Ivanova")
    assert author(None, "act 7") == ("staff:ivanova", "act 7")


def test_a_login_without_a_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", unknown)
    with pytest.raises(ValueError, match="--actor"):
        author(None, "act 7")


@pytest.mark.parametrize(
    ("actor", "reason"),
    [("", "r"), ("staff:", "r"), ("a b", "r"), ("a" * 65, "r"), ("a", " "), ("a", "x" * 501)],
)
def test_no_name_or_no_reason_is_refused(actor: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"--(actor|reason)"):
        author(actor, reason)


def test_only_an_optional_reason_may_be_left_out() -> None:
    assert author("ivanova", "", optional=True) == ("staff:ivanova", "")
    with pytest.raises(ValueError, match="--reason"):
        author("ivanova", "")
    with pytest.raises(ValueError, match="--reason"):
        author("ivanova", " ", optional=True)

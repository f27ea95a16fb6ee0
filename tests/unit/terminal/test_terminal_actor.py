"""Who acts is who has signed in, whatever a verb is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from rpc_verbs import BY_RPC
from typer.testing import CliRunner

from services import terminal
from services.accounts import import_verb
from services.bus_commands import replay
from services.cli import app
from services.ledger.commands import books, import_files, move_book
from services.ledger.moving import Plan
from services.terminal import author
from services.verbs import StaffVerbs
from shared import context
from shared.clock import SystemClock
from shared.config import SERVICES, ConfigurationError
from shared.errors import Unavailable

SIGNED_IN = {"SALDO_DATABASE_URL": "postgresql://staff.ivanova:secret@127.0.0.1:1/nothing"}
SETTINGS = {
    **SIGNED_IN,
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

    def __getitem__(self, _: str) -> int:
        return 0

    def __ge__(self, _: object) -> bool:
        return False


class RecordingStore:
    """Stands in for the store of any service, and records in whose name it is to write."""

    clock = SystemClock()

    def __init__(self) -> None:
        self.actors: list[str] = []
        self.recorder = self

    def query(self, _: Callable[..., Any]) -> Any:
        return Found()

    def hash_key(self, purpose: str) -> bytes:
        return purpose.encode()

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

    def execute_assignment(self, *_: Any) -> Any:
        self.actors.append(context.current().actor)
        raise Unavailable("recorded", "The actor is recorded.")

    def execute_move(self, _: Any, run: Any, *__: Any) -> Any:
        self.actors += actors_in(run)
        raise Unavailable("recorded", "The actor is recorded.")

    def close(self) -> None:
        """Have nothing to close."""


def actors_in(command: Any) -> list[str]:
    return [getattr(command, name) for name in ("actor", "by") if hasattr(command, name)]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> RecordingStore:
    made = RecordingStore()
    monkeypatch.setattr(terminal, "check_login", lambda *_: None)
    monkeypatch.setattr(terminal, "open_store", lambda *_, **__: made)
    monkeypatch.setattr(import_files, "import_file", made.execute_import)
    monkeypatch.setattr(books, "assign", made.execute_assignment)
    monkeypatch.setattr(move_book, "plan_of", lambda *_: Plan("ledger", "", "", "", "", ()))
    monkeypatch.setattr(move_book, "size_here", lambda _: 0)
    monkeypatch.setattr(move_book, "move", made.execute_move)
    monkeypatch.setattr(import_verb, "alone", lambda _: nullcontext())
    monkeypatch.setattr(import_verb.ContractImport, "holder_differences", lambda *_: [])
    monkeypatch.setattr(replay, "check_access", lambda _: None)
    monkeypatch.setattr(replay, "connect", lambda *_, **__: made.session())
    return made


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    file = tmp_path / "contracts.csv"
    header = "number;holder;address;payer_kind"
    file.write_text(f"{header}\n01;Петров Пётр;г. Примерск, ул. Первая, д. 1;household\n", "utf-8")
    return file


BANK_REGISTER = Path(__file__).parents[3] / "deploy" / "demo" / "bank_register.txt"
WRITING = {
    "ledger import": ("CONTRACTS",),
    "bus replay": ("ledger", "--to-queue", "subscriber.erp.ledger"),
    "ledger accrue": ("--on", "2026-01-31"),
    "ledger replay": ("--all",),
    "ledger assign": ("77", "--to", "-"),
    "ledger move-book": ("-",),
    "accounts import": ("CONTRACTS",),
    "payments import": (str(BANK_REGISTER),),
    "bus parked": ("ledger", "--drop", "7"),
    **{f"{service} recover": ("--apply",) for service in SERVICES},
}


def test_every_writing_verb_is_tried_here() -> None:
    writing = {
        f"{group.name} {name}"
        for group in app.registered_groups
        # Who changes what staff may do is recorded by the database; keys are no part of the log.
        if isinstance(group.typer_instance, StaffVerbs) and group.name not in ("staff", "keys")
        for name, verb in group.typer_instance.verbs.items()
        if verb.writes
    }
    assert writing == WRITING.keys() | BY_RPC.keys()


@pytest.mark.parametrize("verb", WRITING)
@pytest.mark.parametrize("given", [(), ("--actor", "petrova"), ("--actor", "")])
def test_every_verb_records_who_has_signed_in(
    store: RecordingStore, contracts: Path, verb: str, given: tuple[str, ...]
) -> None:
    words = [str(contracts) if word == "CONTRACTS" else word for word in WRITING[verb]]
    command = [*verb.split(), *words, *given, "--reason", "order 17"]
    result = CliRunner().invoke(app, command, env=SETTINGS)
    assert result.exit_code == 2, (result.output, result.exception)
    assert "The actor is recorded." in result.stderr
    assert ("--actor is not read: you act as staff:ivanova" in result.stderr) == bool(given)
    assert set(store.actors) == {"staff:ivanova"}


@pytest.mark.parametrize("verb", WRITING)
def test_no_verb_writes_where_nobody_has_signed_in(
    store: RecordingStore, contracts: Path, verb: str
) -> None:
    words = [str(contracts) if word == "CONTRACTS" else word for word in WRITING[verb]]
    env = {**SETTINGS, "SALDO_DATABASE_URL": ""}
    result = CliRunner().invoke(app, [*verb.split(), *words, "--reason", "order 17"], env=env)
    assert result.exit_code == 2, (result.output, result.exception)
    assert "nobody has signed in to the database: set SALDO_DATABASE_URL" in " ".join(
        result.stderr.split()
    )
    assert store.actors == []


@pytest.mark.parametrize(
    ("url", "actor"),
    [
        ("postgresql://staff.ivanova:secret@db/saldo", "staff:ivanova"),
        ("postgresql://saldo:secret@db/saldo", "staff:saldo"),
        ("host=db user=staff.ivanova dbname=saldo", "staff:ivanova"),
    ],
)
def test_the_login_is_the_actor(monkeypatch: pytest.MonkeyPatch, url: str, actor: str) -> None:
    monkeypatch.setenv("SALDO_DATABASE_URL", url)
    assert author(None, " act \n 7 ") == (actor, "act 7")


def test_a_login_of_staff_comes_before_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALDO_DATABASE_URL", "postgresql://saldo@db/saldo")
    monkeypatch.setenv("SALDO_STAFF_DATABASE_URL", "postgresql://staff.ivanova@db/saldo")
    assert author(None, "act 7") == ("staff:ivanova", "act 7")


def test_a_url_that_cannot_be_read_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALDO_DATABASE_URL", "postgresql:1//staff.ivanova:hunter2@db/saldo")
    with pytest.raises(ConfigurationError, match="your login cannot be read") as refused:
        author(None, "act 7")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_no_reason_is_refused(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    monkeypatch.setenv("SALDO_DATABASE_URL", SIGNED_IN["SALDO_DATABASE_URL"])
    with pytest.raises(ValueError, match="--reason"):
        author(None, reason)


def test_only_an_optional_reason_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALDO_DATABASE_URL", SIGNED_IN["SALDO_DATABASE_URL"])
    assert author(None, "", optional=True) == ("staff:ivanova", "")
    with pytest.raises(ValueError, match="--reason"):
        author(None, " ", optional=True)

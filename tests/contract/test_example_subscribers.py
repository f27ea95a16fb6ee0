"""The programs of examples/: they know the contracts, and nothing of ours."""

from __future__ import annotations

import ast
import json
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared.contracts import contracts_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PROGRAMS = sorted(
    path.relative_to(EXAMPLES).as_posix()
    for path in EXAMPLES.glob("*/balances.*")
    if path.is_file()
)
ALLOWED = {"pika/balances.py": {"pika"}, "http/balances.py": set[str]()}


def test_there_is_one_for_each_way_to_subscribe() -> None:
    assert PROGRAMS == ["http/balances.py", "node/balances.mjs", "pika/balances.py"]
    readme = (EXAMPLES / "README.md").read_text("utf-8")
    assert all(f"]({program})" in readme for program in PROGRAMS)
    assert "examples/README.md" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_knows_every_type_that_changes_a_balance(program: str) -> None:
    text = (EXAMPLES / program).read_text("utf-8")
    known = re.search(r"TYPES = (?:new Set\(\[|\{)(.*?)[\]}]", text, re.DOTALL)
    assert known is not None
    published = {
        contract.type for contract in contracts_of("ledger") if "change" in contract.schema().fields
    }
    assert set(re.findall(r'"(\w+)"', known[1])) == published


@pytest.mark.parametrize("program", sorted(ALLOWED))
def test_it_needs_no_package_but_its_own(program: str) -> None:
    tree = ast.parse((EXAMPLES / program).read_text("utf-8"))
    modules = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert modules - set(sys.stdlib_module_names) == ALLOWED[program]


def test_the_packages_of_node_are_pinned_by_their_content() -> None:
    lock = json.loads((EXAMPLES / "node/package-lock.json").read_text("utf-8"))
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert list(packages) == ["node_modules/amqplib"]
    assert all(one["integrity"].startswith("sha512-") for one in packages.values())
    assert all("resolved" not in one for one in packages.values())


# --- What a table does with messages, told by the program for RabbitMQ ------------------------


def loaded(program: str) -> ModuleType:
    spec = spec_from_file_location("example", EXAMPLES / program)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("SALDO_QUEUE_PREFIX", "subscriber.test.")
    return loaded("pika/balances.py")


@pytest.fixture
def balances(program: ModuleType) -> Iterator[Any]:
    made = program.Balances(":memory:")
    with closing(made.database):
        yield made


def message(
    position: int,
    predecessor: int,
    type_: str = "payment_posted",
    version: int = 1,
    epoch: str = "1",
    **data: Any,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a message that pays a kopeck in advance."""
    headers = {
        "saldo_epoch": epoch,
        "saldo_position": position,
        "saldo_predecessor": predecessor,
        "cloudEvents_type": type_,
        "cloudEvents_time": "2026-11-28T12:00:00+00:00",
        "cloudEvents_dataschema": f"/saldo/contracts/ledger/{type_}/v{version}",
    }
    change = {"principal": 0, "penalty": 0, "advance": 1}
    return headers, {"account": "0100000001", "change": change, **data}


def advance(balances: Any) -> int:
    return sum(one for (one,) in balances.database.execute("SELECT advance FROM balances"))


def test_a_repeated_message_has_no_second_effect(balances: Any) -> None:
    messages = [message(1, 0), message(4, 1), message(4, 1), message(1, 0)]
    balances.apply(messages)
    balances.apply(messages)
    assert (advance(balances), balances.reached()[0]) == (2, 4)


def test_a_gap_undoes_the_whole_batch(program: ModuleType, balances: Any) -> None:
    balances.apply([message(1, 0)])
    with pytest.raises(program.Gap):
        balances.apply([message(2, 1), message(4, 3)])
    assert (advance(balances), balances.reached()[0]) == (1, 1)
    balances.apply([message(2, 1), message(3, 2), message(4, 3)])
    assert (advance(balances), balances.reached()[0]) == (4, 4)


def test_an_unknown_type_is_skipped_and_an_unknown_version_is_not(balances: Any) -> None:
    balances.apply([message(1, 0, "month_closed")])
    assert (advance(balances), balances.reached()[0]) == (0, 1)
    balances.apply([message(2, 1), message(2, 1, version=2)])  # published side by side
    assert (advance(balances), balances.reached()[0]) == (1, 2)
    with pytest.raises(SystemExit, match="payment_posted/v2: update it"):
        balances.apply([message(3, 2, version=2)])
    with pytest.raises(SystemExit, match="older than the field"):
        balances.apply([message(3, 2, change={})])
    assert (advance(balances), balances.reached()[0]) == (1, 2)


def test_lost_events_are_undone_and_never_come_back(program: ModuleType, balances: Any) -> None:
    """The stream and the queue have lost events; real ones have the same positions."""
    first = [message(position, position - 1) for position in range(1, 6)]
    new = message(6, 5, account="0100000002")
    balances.apply([*first, new], history=True)
    with pytest.raises(program.Gap, match="epoch 2"):
        balances.apply([message(5, 4, epoch="2.00000001")])
    assert (advance(balances), balances.reached()[:2]) == (6, (6, "1"))
    second = [message(position, position - 1, epoch="2.00000001") for position in (4, 5)]
    balances.apply([*first, new, *second], history=True)
    balances.apply([message(7, 6), *first, new])
    assert (advance(balances), balances.reached()[:2]) == (5, (5, "2.00000001"))
    accounts = balances.database.execute("SELECT account FROM balances").fetchall()
    assert accounts == [("0100000001",)]
    anew = program.Balances(":memory:")
    with closing(anew.database):
        anew.apply([*first, new, *second], history=True)
        assert advance(anew) == 5


def test_next_epoch_without_a_loss_undoes_nothing(balances: Any) -> None:
    balances.apply([message(1, 0), message(2, 1)], history=True)
    balances.apply([message(1, 0), message(3, 2, epoch="2.00000001")], history=True)
    assert (advance(balances), balances.reached()[:2]) == (3, (3, "2.00000001"))


# --- What the program for HTTP does when the gateway ends ---------------------------------------


def test_over_http_lost_events_are_undone_and_reading_goes_on_at_the_fork(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def page(epoch: str, *events: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
        shown = [
            {
                "saldoposition": headers["saldo_position"],
                "type": headers["cloudEvents_type"],
                "dataschema": headers["cloudEvents_dataschema"],
                "data": data,
            }
            for headers, data in events
        ]
        position = shown[-1]["saldoposition"]
        return {"events": shown, "position": position, "epoch": epoch, "next": f"after-{position}"}

    program = loaded("http/balances.py")
    balances = program.Balances(":memory:")
    asked: list[str] = []
    monkeypatch.setenv("SALDO_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SALDO_EVENTS_TOKEN", "token")

    def refuse(request: Any, timeout: float) -> Any:
        asked.append(request.full_url.partition("?")[2])
        raise ConnectionRefusedError

    monkeypatch.setattr(program.urllib.request, "urlopen", refuse)
    with closing(balances.database):
        balances.apply(page("1", message(1, 0), message(2, 1), message(3, 2)))
        balances.undo(1, "1")
        assert (advance(balances), balances.reached()) == (1, (1, "1", ""))
        with pytest.raises(ConnectionRefusedError):
            program.page_after(balances.reached(), 0)
        balances.apply(page("2.00000001", message(2, 1)))
        assert (advance(balances), balances.reached()) == (2, (2, "2.00000001", "after-2"))
    assert asked == ["service=ledger&wait=0&position=1&epoch=1"]


def test_a_response_that_breaks_off_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    responses = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"not HTTP\r\n\r\n",
        b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}",
    )

    def respond() -> None:
        for response in responses:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(response)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)
        serving = threading.Thread(target=respond)
        serving.start()
        monkeypatch.setenv("SALDO_URL", f"http://127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.setenv("SALDO_EVENTS_TOKEN", "token")
        monkeypatch.setattr(sys, "argv", ["balances.py", ":memory:"])
        program = loaded("http/balances.py")
        monkeypatch.setattr(program.time, "sleep", lambda _: None)
        try:
            with pytest.raises(SystemExit, match="409"):
                program.main()
        finally:
            serving.join()
    assert capsys.readouterr().out.splitlines() == [
        "no answer: IncompleteRead",
        "no answer: BadStatusLine",
    ]

"""``saldo <service> recover`` says what the worker has brought back, however fast that is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.recovery import applying, verb
from services.recovery.showing import show_status
from services.recovery.status import ReaderShown, Status
from shared.eventstore.lost_events import Fate, Judged, LostEvent, Recovery

NOW = datetime(2026, 11, 29, tzinfo=UTC)
EPOCH = "2.5f0c9ae1"
APPLY = ["payments", "recover", "--apply", "--reason", "act 7"]


def recovery(*, done: bool, lost: int | None = 1) -> Recovery:
    return Recovery(
        epoch=EPOCH,
        lost=lost,
        found_at=NOW,
        asked_at=NOW,
        asked_by="clerk",
        reason="act 7",
        failure="",
        done_at=NOW if done else None,
    )


def judged(fate: Fate, advice: str = "") -> Judged:
    event = LostEvent(
        epoch="1",
        position=4,
        version=1,
        type="payment_captured",
        subject="a payment",
        occurred_at=NOW,
        correlation_id="",
        data={},
    )
    return Judged(event=event, fate=fate, advice=advice)


def status(*readers: ReaderShown) -> Status:
    return Status(
        service="payments",
        confirmed=True,
        head=4,
        epochs=[],
        unsearched=[],
        lost=[],
        readers=list(readers),
        quarantined={},
    )


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A log whose worker has brought everything back before its status is read."""
    found: dict[str, Any] = {"recovery": recovery(done=True), "outcomes": []}
    session = SimpleNamespace(cursor=None)

    @contextmanager
    def opened(service: str, *, writes: bool) -> Iterator[Any]:
        yield SimpleNamespace(service=service, query=lambda read: read(session))

    monkeypatch.setattr(verb, "opened_store", opened)
    monkeypatch.setattr(verb, "author", lambda actor, reason, optional: ("clerk", reason))
    monkeypatch.setattr(verb, "ask", lambda store, reason: [EPOCH])
    monkeypatch.setattr(verb, "wait_for_search", lambda store: None)
    monkeypatch.setattr(verb, "status_of", lambda store, progress, ever: status())
    monkeypatch.setattr(applying, "recoveries", lambda cursor: [found["recovery"]])
    monkeypatch.setattr(applying, "outcomes", lambda cursor, epochs: found["outcomes"])
    return found


def test_what_is_left_to_staff_is_named_where_the_worker_was_faster(log: dict[str, Any]) -> None:
    log["outcomes"] = [judged(Fate.STAFF, "Look at the bank."), judged(Fate.BROUGHT_BACK)]
    result = CliRunner().invoke(app, [*APPLY, "--json"])
    said = json.loads(result.stdout)
    assert (result.exit_code, said["applied"]["events"]) == (1, {"brought_back": 1, "staff": 1})
    assert [one["advice"] for one in said["lost"]] == ["Look at the bank.", ""]
    assert "- Look at the bank." in CliRunner().invoke(app, APPLY).stdout


def test_unknown_loss_is_left_to_staff(log: dict[str, Any]) -> None:
    log["recovery"] = recovery(done=True, lost=None)
    assert CliRunner().invoke(app, APPLY).exit_code == 1


def test_nothing_is_left_where_everything_was_brought_back(log: dict[str, Any]) -> None:
    log["outcomes"] = [judged(Fate.BROUGHT_BACK)]
    result = CliRunner().invoke(app, APPLY)
    assert result.exit_code == 0
    assert "Lost events brought back: 1." in result.stdout


@pytest.mark.parametrize(
    ("fork", "ghosts", "sentence"),
    [
        (100, 30, "sure to be in the log up to position 100: it goes back there."),
        (130, 0, "sure to be in the log up to position 130: it goes on from there."),
    ],
)
def test_reader_is_shown_with_where_it_goes(
    fork: int, ghosts: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = ReaderShown(
        upstream="ledger", epoch="1", position=130, stopped="why", fork=fork, ghosts=ghosts
    )
    show_status(status(reader))
    assert sentence in capsys.readouterr().out

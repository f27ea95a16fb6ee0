"""``saldo <service> recover`` says what the worker has brought back, however fast that is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from services.cli import app
from services.language import Language, spoken
from services.payments.lost_event_advice import OF_BANK, UNPUBLISHED
from services.recovery import applying, verb
from services.recovery.showing import show_status
from services.recovery.status import EpochShown, ReaderShown, Status
from shared.errors import Unavailable
from shared.eventstore.lost_events import Advice, Fate, Judged, LostEvent, Recovery, Unpublished

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


def judged(fate: Fate, advice: Advice | None = None) -> Judged:
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
    found: dict[str, Any] = {
        "recovery": recovery(done=True),
        "outcomes": [],
        "status": status(),
    }
    session = SimpleNamespace(cursor=None)

    @contextmanager
    def opened(service: str, *, writes: bool) -> Iterator[Any]:
        yield SimpleNamespace(service=service, query=lambda read: read(session))

    monkeypatch.setattr(verb, "opened_store", opened)
    monkeypatch.setattr(verb, "author", lambda actor, reason, optional: ("clerk", reason))
    monkeypatch.setattr(verb, "ask", lambda store, reason: [EPOCH])
    monkeypatch.setattr(verb, "wait_for_search", lambda store, progress: None)
    monkeypatch.setattr(verb, "status_of", lambda store, progress, ever: found["status"])
    monkeypatch.setattr(applying, "recoveries", lambda cursor: [found["recovery"]])
    monkeypatch.setattr(applying, "outcomes", lambda cursor, epochs: found["outcomes"])
    return found


def test_events_left_to_staff_are_named_where_the_worker_was_faster(log: dict[str, Any]) -> None:
    advice = Advice("Look at the bank.")
    log["outcomes"] = [judged(Fate.STAFF, advice), judged(Fate.BROUGHT_BACK)]
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
    assert "Lost events, brought back: 1." in result.stdout


def test_each_book_of_the_ledger_is_recovered(
    log: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the loop over all services that the documents print leaves no book out."""
    monkeypatch.setenv("SALDO_LEDGER_BOOKS", "north")
    asked: list[str] = []
    monkeypatch.setattr(verb, "ask", lambda store, reason: asked.append(store.service) or [EPOCH])
    log["outcomes"] = [judged(Fate.STAFF, Advice("Look at the bank."))]
    words = ["ledger", *APPLY[1:], "--json"]
    result = CliRunner().invoke(app, words)
    found = [(one["book"], one["exit_code"]) for one in json.loads(result.stdout)]
    assert (asked, found) == (["ledger", "ledger_north"], [("-", 1), ("north", 1)])
    assert result.exit_code == 1
    CliRunner().invoke(app, [*words, "--book", "north"])
    assert asked[2:] == ["ledger_north"]


def test_recovery_is_told_in_the_language_of_staff(log: dict[str, Any]) -> None:
    log["outcomes"] = [judged(Fate.BROUGHT_BACK)]
    said = CliRunner().invoke(app, [*APPLY, "--lang", "ru"]).stdout
    assert "Восстанавливать в payments больше нечего." in said
    assert "Утраченные события, возвращены: 1." in said


def test_advice_is_told_in_the_language_of_staff_and_counted(log: dict[str, Any]) -> None:
    document = {"paid_on": "2026-11-28", "document": "{17}", "amount": 100}
    of_bank = OF_BANK.about(document)
    log["outcomes"] = [judged(Fate.STAFF, of_bank), judged(Fate.STAFF, of_bank)]
    said = CliRunner().invoke(app, [*APPLY, "--lang", "ru"]).stdout
    assert (
        "- Загрузите ещё раз файл банка, в котором есть платёж от 2026-11-28, документ {17}: "
        "saldo payments import FILE. Дважды платёж не зачтётся. (событий: 2)"
    ) in said
    english = (
        "Import the bank's file again that has the payment of 2026-11-28, document {17}: "
        "saldo payments import FILE. It is posted once."
    )
    assert f"- {english} (events: 2)" in CliRunner().invoke(app, APPLY).stdout
    said = json.loads(CliRunner().invoke(app, [*APPLY, "--lang", "ru", "--json"]).stdout)
    assert [one["advice"] for one in said["lost"]] == [english, english]


def test_advice_takes_no_more_of_an_event_than_it_names() -> None:
    """It is kept where readers of the database see it."""
    advice = Advice("Close {period} again.").about({"period": "2026-11", "name": "Anna"})
    assert advice.values == {"period": "2026-11"}
    assert str(advice) == "Close 2026-11 again."
    assert str(Advice("Look {there}.")) == "Look {there}."  # of an older program, finished


def test_why_an_epoch_began_is_told_in_the_language_of_staff(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = EpochShown(epoch=EPOCH, after=3, began_at=NOW, reason="restored", recovery=None)
    with spoken(Language.RU):
        show_status(msgspec.structs.replace(status(), epochs=[shown]))
    assert "восстановлен из копии" in capsys.readouterr().out


def test_recover_says_that_events_never_published_may_be_lost(log: dict[str, Any]) -> None:
    """Nothing is left by what the bus has: no order that took another's place is in that."""
    found = Unpublished(epoch=EPOCH, since=NOW - timedelta(hours=1), until=NOW, skipped=2)
    log["status"] = msgspec.structs.replace(
        status(), unpublished=[found], unpublished_advice=list(UNPUBLISHED)
    )
    words = ["payments", "recover"]
    said = CliRunner().invoke(app, words).stdout
    assert (
        f"Events that are never published may be lost before epoch {EPOCH} as well, recorded from "
        "2026-11-28 23:00 to 2026-11-29 00:00 (UTC): nobody has a copy of them."
    ) in said
    assert "Positions that the stream jumps over there: 2." in said
    assert "- Compare each of these days with the bank" in said
    assert "saldo payments reconcile --day DAY" in said
    assert "Копий" in CliRunner().invoke(app, [*words, "--lang", "ru"]).stdout
    told = json.loads(CliRunner().invoke(app, [*words, "--json", "--lang", "ru"]).stdout)
    assert [(one["epoch"], one["skipped"]) for one in told["unpublished"]] == [(EPOCH, 2)]
    assert told["unpublished_advice"] == [str(one) for one in UNPUBLISHED]


def test_log_that_was_lost_from_its_beginning_has_no_last_event(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = Unpublished(epoch=EPOCH, since=None, until=NOW, skipped=0)
    show_status(msgspec.structs.replace(status(), unpublished=[found]))
    assert "recorded up to 2026-11-29 00:00 (UTC)" in capsys.readouterr().out


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


def searching(searched: int, failure: str = "") -> Recovery:
    found = recovery(done=False, lost=None)
    return msgspec.structs.replace(
        found, found_at=None, failure=failure, searched=searched, to_search=9
    )


def test_search_is_waited_for_as_long_as_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [searching(0), searching(3), searching(3), searching(9)]
    waited: list[float] = []
    now = [0.0]
    store: Any = SimpleNamespace(
        service="payments", query=lambda read: read(SimpleNamespace(cursor=None))
    )
    clock = SimpleNamespace(
        monotonic=lambda: now[0],
        sleep=lambda _: now.__setitem__(0, now[0] + 0.9 * applying.SEARCH_S),
    )
    monkeypatch.setattr(applying, "time", clock)
    monkeypatch.setattr(applying, "recoveries", lambda cursor, left: [pieces.pop(0)])
    monkeypatch.setattr(applying, "_is_searched", lambda store: not pieces)

    @contextmanager
    def counted(title: str, total: int | None) -> Iterator[Any]:
        yield waited.append

    pieces[2:3] = []
    applying.wait_for_search(store, counted)
    assert waited == [3, 6]
    pieces[:] = [searching(0), searching(0), searching(0)]
    with pytest.raises(Unavailable, match="has not compared the log with the bus yet"):
        applying.wait_for_search(store, counted)
    pieces[:] = [searching(0, "TimeoutError")]
    with pytest.raises(Unavailable, match="TimeoutError; job_failed in its log"):
        applying.wait_for_search(store, counted)


def test_search_that_goes_on_is_shown_with_how_far_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = EpochShown(epoch=EPOCH, after=3, began_at=NOW, reason="restored", recovery=searching(3))
    show_status(msgspec.structs.replace(status(), epochs=[shown], unsearched=[EPOCH]))
    said = capsys.readouterr().out
    assert f"The worker has not found what was lost before {EPOCH} yet." in said
    assert "It has searched 3 of 9 messages of the stream." in said

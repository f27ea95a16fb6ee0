"""`migrate --status` names times as they are in UTC, wherever the server of the database stands."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from services import migrate
from shared.config import Settings
from shared.eventstore.migration_status import StepStatus


def test_times_are_in_utc_whatever_the_time_zone_of_the_database(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    moscow = timezone(timedelta(hours=3))
    since = datetime(2026, 11, 30, 1, 30, tzinfo=moscow)
    step = StepStatus("0901_street.sql", "expand", "waiting", since=since)
    monkeypatch.setattr(migrate, "status_of", lambda *_: [step])
    migrate.show_status(["ledger"], Settings(database_url="postgresql://owner@none/none"))
    assert "(2026-11-29 22:30:00 UTC)" in capsys.readouterr().out

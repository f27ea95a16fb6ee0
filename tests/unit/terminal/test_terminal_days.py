"""Days and instants are read strictly."""

from __future__ import annotations

from datetime import date

import pytest

from services.terminal import day, day_or_instant


def test_days_and_instants_are_read_strictly() -> None:
    assert day("2026-10-31", "--on") == date(2026, 10, 31)
    assert day_or_instant("2026-10-31", "--as-of") == "2026-10-31"
    assert day_or_instant("2026-10-31T12:00:00+03:00", "--as-of") == "2026-10-31T12:00:00+03:00"
    for text in ("20261031", "2026-W44-6", "2026-02-30", "31.10.2026", ""):
        with pytest.raises(ValueError, match="--on"):
            day(text, "--on")
    for text in ("2026-10-31T12:00:00", "now", "2026-10-31 25:00:00+03:00"):
        with pytest.raises(ValueError, match="--as-of"):
            day_or_instant(text, "--as-of")

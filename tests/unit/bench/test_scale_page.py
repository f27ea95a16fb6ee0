"""The arithmetic and the tables of the page of scale."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.bench import scale_page
from tests.bench.scale_measure import Figure
from tests.bench.scale_page import (
    add_figures,
    growth,
    of_page,
    read_figures,
    reckoned,
    table,
)


def figure(step: str = "audit", accounts: int = 10_000, **given: Any) -> Figure:
    count = given.pop("count", accounts * 10)
    known: dict[str, Any] = {"events": accounts * 10, "per": "event", "seconds": 1.0, **given}
    return Figure(step=step, accounts=accounts, count=count, **known)


@pytest.mark.parametrize(
    ("times", "exponent"), [(10, 1.0), (100, 2.0), (math.sqrt(1_000), 1.5), (1, 0.0)]
)
def test_growth_is_the_exponent_of_the_cpu_of_both_sides(times: float, exponent: float) -> None:
    before = figure(client_cpu=2, server_cpu=1, seconds=9)
    after = figure(accounts=100_000, client_cpu=1.5 * times, server_cpu=1.5 * times, seconds=9)
    assert growth(before, after) == pytest.approx(exponent)


def test_growth_is_that_of_the_time_where_no_cpu_is_known() -> None:
    before, after = figure(seconds=2), figure(accounts=100_000, seconds=20)
    assert growth(before, after) == pytest.approx(1)


def test_what_goes_over_as_many_has_no_growth() -> None:
    before, after = figure(count=500), figure(accounts=100_000, count=500)
    assert math.isnan(growth(before, after))


def test_each_step_is_shown_with_its_sizes_and_how_it_grows() -> None:
    small = figure(client_cpu=4, server_cpu=1, client_rss=200, client_pss=150, log_times=12.61)
    large = figure(
        accounts=100_000, seconds=65.4, client_cpu=100, server_cpu=25,
        reads=1_000, read_bytes=8_192_000, wal_bytes=2_000_000_000, load=2.6,
    )  # fmt: skip
    other = figure("verify", client_cpu=1)
    rows = table([small, other, large]).splitlines()
    assert [row.split(" | ")[:2] for row in rows[2:5]] == [
        ["| audit, 100,000 events", "100,000"],
        ["| audit, 1,000,000 events", "1,000,000"],
        ["| verify, 100,000 events", "100,000"],
    ]
    assert "1.0 s | 40 + 10 | 200 / 150 MiB |  | 12.6 times |" in rows[2]
    assert "65 s | 100 + 25 |  |  |  | 8.0 KiB | 2.0 KiB |  | **1.40** | 3 |" in rows[3]


def test_table_says_where_and_when_it_was_measured() -> None:
    figures = [
        figure(machine="this one, 2 cores", day="2026-11-30", load=2.4),
        figure("verify", machine="this one, 2 cores", day="2026-12-01", load=7.6),
    ]
    when = "Measured 2026-11-30 to 2026-12-01 on this one, 2 cores, at a load of 2 to 8."
    assert table(figures).splitlines()[-1] == when


def test_of_the_months_the_last_is_shown() -> None:
    steps = ("registry", "bills-1", "payments-1", "bills-2", "accrue-day")
    shown = of_page([figure(step, accounts=size) for size in (10, 100) for step in steps])
    assert [one.step for one in shown] == ["registry", "payments-1", "bills-2", "accrue-day"] * 2


def test_single_reads_are_shown_by_their_median_and_their_slowest() -> None:
    row = table([figure("balance", count=500, milliseconds=0.52, slowest=1.58)]).splitlines()[2]
    assert "| 0.5 ms, slowest 5 % 1.6 |" in row


def test_what_lies_on_the_disk_is_shown_and_grows_by_its_bytes() -> None:
    small = figure("disk, events", seconds=0, disk_bytes=80_000_000)
    large = figure("disk, events", accounts=100_000, seconds=0, disk_bytes=1_600_000_000)
    assert growth(small, large) == pytest.approx(1.301, abs=0.001)
    rows = table([small, large]).splitlines()
    assert "| disk, events, 1,000,000 events | 1,000,000 |  |" in rows[3]
    assert "| 1.6 KiB | **1.30** |" in rows[3]


def test_figure_replaces_one_of_the_same_step_and_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(scale_page, "FIGURES", tmp_path / "scale.json")
    assert read_figures() == []
    add_figures([figure(seconds=1), figure("verify")])
    add_figures([figure(seconds=3), figure(accounts=100_000)])
    found = {(one.step, one.accounts): one.seconds for one in read_figures()}
    assert found == {("audit", 10_000): 3, ("verify", 10_000): 1, ("audit", 100_000): 1}


def test_page_has_the_tables_between_its_marks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "scale.md"
    page.write_text(
        f"before\n\n{scale_page.MEASURED[0]}\nold\n{scale_page.MEASURED[1]}\n\nbetween\n\n"
        f"{scale_page.RECKONED[0]}\nold\n{scale_page.RECKONED[1]}\n\nafter\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(scale_page, "PAGE", page)
    monkeypatch.setattr(scale_page, "FIGURES", tmp_path / "scale.json")
    add_figures([figure(client_cpu=5)])
    scale_page.write_page()
    once = page.read_text(encoding="utf-8")
    assert "old" not in once
    assert once.startswith("before\n\n")
    assert once.endswith("\n\nafter\n")
    assert "\n\nbetween\n\n" in once
    scale_page.write_page()
    assert page.read_text(encoding="utf-8") == once


def test_committed_page_is_that_of_the_committed_figures() -> None:
    text = scale_page.PAGE.read_text(encoding="utf-8")
    figures = read_figures()
    assert table(of_page(figures)) in text
    assert reckoned(figures) in text

"""The arithmetic from measured cities to a larger one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench.scale_measure import Figure
from tests.bench.scale_reckoning import bytes_of, cpu_of, events_a_year, one_more, reckon, span


def figure(step: str, accounts: int, count: int, **costs: Any) -> Figure:
    return Figure(
        step=step, events=accounts * 10, accounts=accounts, per="event", count=count, seconds=1.0,
        **costs,
    )  # fmt: skip


def lines(*figures: Figure) -> dict[str, tuple[str, str]]:
    return {one.what: (one.how, one.result) for one in reckon(figures)}


def of_cpu(*figures: Figure) -> float:
    return one_more(figures, cpu_of, lambda one: one.count)


def test_one_more_costs_what_the_larger_city_costs_more() -> None:
    small = figure("audit", 1_000, 10_000, client_cpu=2.0, server_cpu=0.5)
    large = figure("audit", 10_000, 100_000, client_cpu=5.0, server_cpu=2.0)
    assert of_cpu(large, small) == pytest.approx((7.0 - 2.5) / 90_000)


def test_only_the_two_largest_cities_count() -> None:
    sizes = [
        figure("audit", 1_000, 10_000, client_cpu=90.0),
        figure("audit", 10_000, 100_000, client_cpu=4.0),
        figure("audit", 100_000, 1_000_000, client_cpu=40.0),
    ]
    assert of_cpu(*sizes) == pytest.approx(36.0 / 900_000)


def test_of_one_city_it_is_the_average() -> None:
    assert of_cpu(figure("audit", 1_000, 10_000, client_cpu=3.0)) == pytest.approx(3.0 / 10_000)


@pytest.mark.parametrize(("count", "cpu"), [(100_000, 2.0), (10_000, 5.0)])
def test_where_the_difference_says_nothing_it_is_the_average(count: int, cpu: float) -> None:
    small = figure("audit", 1_000, 10_000, client_cpu=3.0)
    large = figure("audit", 10_000, count, client_cpu=cpu)
    assert of_cpu(small, large) == pytest.approx(cpu / count)


def test_city_is_reckoned() -> None:
    found = lines(
        figure("audit", 100_000, 1_000_000, client_cpu=40.0, server_cpu=10.0),
        figure("verify", 100_000, 1_000_000, client_cpu=10.0),
        figure("bills-4", 100_000, 100_000, client_cpu=9.0),
        figure("bills-5", 100_000, 100_000, client_cpu=8.0, server_cpu=4.0),
        figure("accrue-day", 100_000, 2_000, client_cpu=1.0),
        figure("disk, events", 100_000, 1_000_000, disk_bytes=800_000_000),
        figure("rebuild from the disk", 100_000, 1_000_000, reads=900_000),
    )
    assert found["books"] == ("40,000,000 accounts / 1,000,000", "40")
    # 50 µs an event; a verification has one core.
    assert found["an audit of a book of 5 years, on two cores"] == (
        "120,000,000 events x 50 µs / 2", "50 min",
    )  # fmt: skip
    assert found["a verification of the seal of a book of 5 years, on one core"] == (
        "120,000,000 events x 10 µs / 1", "20 min",
    )  # fmt: skip
    # By the last month, of which the log is largest.
    assert found["a billing run of a book, on two cores"] == (
        "1,000,000 bills x 120 µs / 2", "60 s",
    )  # fmt: skip
    assert found["a billing run of all books on 10 such servers"][1] == "4 min"
    assert found["the penalties of a day of a book, on two cores"] == (
        "20,000 overdue x 500 µs / 2", "5 s",
    )  # fmt: skip
    assert found["the log of a book of 5 years"] == ("120,000,000 events x 800 B", "89.4 GiB")
    how, result = found["the reads of that replay, where the log is not in memory"]
    assert how.startswith("120,000,000 events x 0.90 reads (at 1,000,000 events from the disk) / ")
    assert how.endswith(" / 10,000 a second, assumed")
    assert result == "3.0 h"


def test_payments_and_the_restore_are_reckoned() -> None:
    found = lines(
        figure("payments-3", 100_000, 98_000, client_cpu=90.0),
        figure("payments-4", 100_000, 98_000, client_cpu=4.9, server_cpu=4.9),
        figure("restore", 100_000, 1_000_000, client_cpu=90.0),
    )
    assert found["payments of a book in a second, fifty in a call, on two cores"] == (
        "2 / 100 µs", "20,000",
    )  # fmt: skip
    # By its time, which is the disk's: its CPU is that of the audit after it.
    assert found["the restore of a book of 5 years"] == (
        "120,000,000 events x 1.0 µs, on this disk; not its audit", "2 min",
    )  # fmt: skip


def test_line_says_how_many_times_as_long_it_took_beside_load() -> None:
    small = figure("audit", 1_000, 10_000, client_cpu=1.0, load=9.0)
    large = figure("audit", 10_000, 100_000, client_cpu=0.6, server_cpu=0.2, load=4.2)
    [line] = [one for one in reckon([large, small]) if one.what.startswith("an audit")]
    assert line.beside == "2.5 times, at a load of 4"


def test_nothing_is_reckoned_before_something_is_measured() -> None:
    assert list(lines()) == ["books", "events of a book in a year"]
    assert events_a_year(1_000_000) == 24_000_000


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(5.4, "5 s"), (119, "119 s"), (120, "2 min"), (7_199, "120 min"), (9_000, "2.5 h")],
)
def test_span_is_shown_in_its_unit(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(850, "850 B"), (8_192, "8.0 KiB"), (3 << 20, "3.0 MiB"), (300 << 30, "300 GiB")],
)
def test_bytes_are_shown_in_their_unit(size: float, shown: str) -> None:
    assert bytes_of(size) == shown

"""The limits of a file of rules; a refusal begins with the name of the list."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from penalty_rule_files import WriteRules

from services.ledger.penalties.rules import load_rules
from shared.config import ConfigurationError
from shared.payer_kinds import PayerKind

BAND = {"from_day": "1", "divisor": "130"}
LAW = {"from": "2016-01-01", "source": "x", "bands": [BAND]}
HOLIDAYS: dict[str, Any] = {"weekend": [], "yearly": [], "days_off": [], "working_days": []}


def payers(*household: dict[str, Any]) -> dict[str, Any]:
    return {"payers": {kind.value: [LAW] for kind in PayerKind} | {"household": list(household)}}


def days_off(**more: list[str]) -> dict[str, Any]:
    return {"holidays": HOLIDAYS | more}


def dated(first: str, last: str, **more: str) -> dict[str, str]:
    return {"from": first, "to": last, "source": "x", **more}


def due(*periods: str) -> dict[str, Any]:
    return {"due_days": [{"from_period": period, "day": "1", "source": "x"} for period in periods]}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            payers({**LAW, "bands": [{**BAND, "from_day": "2"}]}),
            "the first band must begin with day 1 of delay",
        ),
        (payers(LAW, LAW), "payers: household: from: 2016-01-01 comes after 2016-01-01; list"),
        (
            {"key_rates": {"2026-01-02": "9", "2026-01-01": "8"}},
            "key_rates: 2026-01-01 comes after 2026-01-02; list each once, oldest first",
        ),
        ({"key_rates": {"2026-01-01": "1000.5"}}, "1000.5 is not a rate"),
        ({"key_rates": {"2026-01-01": "-0.000001"}}, "-0.000001 is not a rate"),
        (
            {
                "caps": [
                    dated("2026-01-01", "2026-02-01", percent="9"),
                    dated("2026-02-01", "2026-02-02", percent="9"),
                ]
            },
            "caps: the one from 2026-02-01 overlaps the one until 2026-02-01; list them",
        ),
        ({"key_rates": {}}, "there must be at least one key rate and one due day"),
        (due(), "there must be at least one key rate and one due day"),
        (due("2026-02", "2026-01"), "due_days: from_period: 2026-01 comes after 2026-02; list"),
        (days_off(weekend=[*"1234567"]), "a week needs a working day"),
        (days_off(days_off=["2026-02-02", "2026-02-02"]), "days_off: 2026-02-02 comes after"),
        (days_off(working_days=["2026-02-02"] * 2), "working_days: 2026-02-02 comes after"),
    ],
)
def test_a_refusal_begins_with_the_fault(
    write_rules: WriteRules, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_rules(write_rules(**changes))
    assert f"rules.yaml cannot be used: {complaint}" in str(refused.value)


def test_a_band_of_one_day_is_one(write_rules: WriteRules) -> None:
    bands = [{**BAND, "to_day": "1"}, {"from_day": "2", "to_day": "2", "divisor": "300"}]
    rule = {**LAW, "bands": [*bands, {**BAND, "from_day": "3"}]}
    [loaded] = load_rules(write_rules(**payers(rule))).rules_of(PayerKind.HOUSEHOLD)
    assert [(band.from_day, band.to_day) for band in loaded.bands] == [(1, 1), (2, 2), (3, None)]


def test_a_repeated_key_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("version: a\nversion: b\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"version is repeated\n.*line 2, column 1"):
        load_rules(path)


def test_one_working_day_a_week_is_enough(write_rules: WriteRules) -> None:
    rules = load_rules(write_rules(**days_off(weekend=[*"123456"])))
    assert rules.holidays.next_from(date(2026, 4, 13)) == date(2026, 4, 19)


def test_periods_of_one_day_and_rules_from_the_next_day_are_accepted(
    write_rules: WriteRules,
) -> None:
    caps = [
        dated("2026-01-01", "2026-01-01", percent="9"),
        dated("2026-01-02", "2026-01-02", percent="8"),
    ]
    later = {**LAW, "from": "2016-01-02"}
    rules = load_rules(write_rules(caps=caps, **payers(LAW, later), **due("2016-01", "2016-02")))
    rates = [str(rules.rate_on(date(2026, 1, day)).percent) for day in (1, 2, 3)]
    assert rates == ["9", "8", "16"]
    assert [rule.first_day.day for rule in rules.rules_of(PayerKind.HOUSEHOLD)] == [1, 2]
    assert [rule.from_period for rule in rules.due_days] == ["2016-01", "2016-02"]

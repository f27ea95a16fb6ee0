"""The rules are data: an operator's file replaces the shipped one, and a wrong one is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from penalty_rule_files import SHIPPED, WriteRules

from services.ledger.penalties.rules import PATH_VARIABLE, PenaltyRules, load_rules
from shared.config import ConfigurationError
from shared.payer_kinds import PayerKind

SHIPPED_VERSION = "ru-2026-03+cbf07bdc397a"


def test_the_shipped_rules_name_their_version(rules: PenaltyRules) -> None:
    name, _, digest = rules.version.partition("+")
    assert name == "ru-2026-03"
    assert len(digest) == 12


def test_changed_rules_have_a_new_version(rules: PenaltyRules) -> None:
    """Past accruals name the version that made them, so one version stands for one content."""
    assert rules.version == SHIPPED_VERSION, (
        "The shipped rules have changed: give the file a new version, and pin it here with its "
        "digest."
    )


def test_a_file_of_the_operator_is_found_by_the_environment(write_rules: WriteRules) -> None:
    path = write_rules(version="operator-1")
    assert load_rules(environ={PATH_VARIABLE: str(path)}).version.startswith("operator-1+")
    assert load_rules(SHIPPED, {PATH_VARIABLE: str(path)}).version.startswith("ru-2026-03+")


def test_the_version_changes_with_the_content_of_the_file_alone(
    write_rules: WriteRules, rules: PenaltyRules
) -> None:
    # Without comments, and in another style: the same rules.
    assert load_rules(write_rules()).version == rules.version
    assert load_rules(write_rules(key_rates_confirmed_to="2026-01-31")).version != rules.version


def bands(*days: tuple[int, int | None]) -> dict[str, Any]:
    """Return payers of whom the household has bands of these days."""
    whole = [{"from": "2016-01-01", "source": "x", "bands": [{"from_day": 1, "divisor": 130}]}]
    household = [
        {"from_day": first, "divisor": 300} | ({"to_day": last} if last else {})
        for first, last in days
    ]
    return {
        "payers": {
            **{kind.value: whole for kind in PayerKind},
            "household": [{"from": "2016-01-01", "source": "x", "bands": household}],
        }
    }


def dated(first: str, last: str, **more: str) -> dict[str, str]:
    return {"from": first, "to": last, "source": "x", **more}


HOLIDAYS: dict[str, Any] = {
    "weekend": ["6", "7"],
    "yearly": [],
    "days_off": [],
    "working_days": [],
}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (bands((2, None)), "must begin with day 1"),
        (bands((1, 30), (32, None)), "no band covers day 31"),
        (bands((1, 30), (30, None)), "overlap on day 30"),
        (bands((1, None), (31, None)), "overlap on day 31"),
        (bands((1, 30)), "no band covers day 31"),
        (bands((1, 30), (31, 5), (6, None)), "ends on day 5"),
        (bands(), "must begin with day 1"),
        (bands((0, None)), "payers"),
        ({"payers": {}}, "no rule for household"),
        ({"payers": {"tenant": []}}, "tenant"),
        ({"key_rates": {}}, "at least one key rate"),
        ({"key_rates": {"2026-01-02": "9", "2026-01-01": "8"}}, "oldest first"),
        ({"key_rates": {"2026-01-01": "nine"}}, "key_rates"),
        ({"key_rates": {"2026-01-01": "NaN"}}, "not a rate"),
        ({"key_rates": {"2026-01-01": "Infinity"}}, "not a rate"),
        ({"key_rates": {"2026-01-01": "-1"}}, "not a rate"),
        ({"key_rates": {"2026-01-01": "9.1234567"}}, "up to 6 decimals"),
        ({"key_rates": {"01.01.2026": "9"}}, "key_rates"),
        ({"caps": [dated("2026-02-01", "2026-01-01", percent="9")]}, "is before"),
        ({"caps": [dated("2026-02-01", "2026-03-01", percent="1e9")]}, "not a rate"),
        ({"caps": [dated("2026-02-01", "2026-03-01")]}, "percent"),
        (
            {"moratoria": [dated("2020-01-01", "2020-02-01"), dated("2020-02-01", "2020-03-01")]},
            "moratoria: the one from 2020-02-01 overlaps",
        ),
        (
            {"moratoria": [dated("2021-01-01", "2021-02-01"), dated("2020-02-01", "2020-03-01")]},
            "oldest first",
        ),
        ({"moratoria": [dated("2021-01-01", "2021-02-01", note="x")]}, "note"),
        ({"due_days": []}, "at least one"),
        ({"due_days": [{"from_period": "2026-13", "day": "1", "source": "x"}]}, "due_days"),
        ({"due_days": [{"from_period": "2026-01", "day": "32", "source": "x"}]}, "due_days"),
        (
            {
                "due_days": [
                    {"from_period": "2026-02", "day": "1", "source": "x"},
                    {"from_period": "2026-02", "day": "2", "source": "x"},
                ]
            },
            "due_days: from_period",
        ),
        ({"holidays": {**HOLIDAYS, "weekend": [*"1234567"]}}, "needs a working day"),
        ({"holidays": {**HOLIDAYS, "yearly": ["02-30"]}}, "holidays"),
        ({"holidays": {**HOLIDAYS, "days_off": ["2026-02-02", "2026-02-01"]}}, "days_off"),
        (
            {
                "holidays": {
                    **HOLIDAYS,
                    "days_off": ["2026-02-02"],
                    "working_days": ["2026-02-02"],
                }
            },
            "2026-02-02 is listed as a day off and as a working day",
        ),
        ({"version": ""}, "version"),
        ({"version": "a b"}, "version"),
        ({"surcharge": "1"}, "surcharge"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(
    write_rules: WriteRules, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"rules\.yaml cannot be used") as refused:
        load_rules(write_rules(**changes))
    assert complaint in str(refused.value)


def test_a_repeated_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(SHIPPED.read_text("utf-8").replace("2019-07-29: 7.25", "2019-06-17: 7.25"))
    with pytest.raises(ConfigurationError, match="2019-06-17 is repeated"):
        load_rules(path)


@pytest.mark.parametrize("content", [b"", b"- 1", b"version: [", b"\xff\xfe\x00", b"a: !!map x"])
def test_a_file_that_is_no_rules_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rules.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"rules\.yaml cannot be used"):
        load_rules(path)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing-here"):
        load_rules(tmp_path / "nothing-here")


def test_moratoria_of_different_payers_may_overlap(write_rules: WriteRules) -> None:
    first = {**dated("2020-01-01", "2020-02-01"), "payers": ["household"]}
    second = {**dated("2020-01-15", "2020-03-01"), "payers": ["organisation"]}
    rules = load_rules(write_rules(moratoria=[first, second]))
    [moratorium] = rules.moratoria_of(PayerKind.ORGANISATION)
    assert moratorium.first_day == date(2020, 1, 15)
    assert rules.moratoria_of(PayerKind.CAPITAL_REPAIR) == []

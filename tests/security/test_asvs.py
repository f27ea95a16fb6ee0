"""The table of ASVS 5.0: each requirement has an answer, and what it names is there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.security import asvs

FOUND = asvs.answers()
ONE = next(answer for answer in FOUND if answer.answer == "test")


def test_every_requirement_is_answered() -> None:
    assert asvs.problems(FOUND) == []


def test_the_standard_has_its_253_requirements() -> None:
    levels = list(asvs.standard().values())
    assert (levels.count(1), levels.count(2)) == (70, 183)


def test_the_page_is_current() -> None:
    assert asvs.PAGE.read_text(encoding="utf-8") == asvs.page(FOUND)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tests": ("tests/security/test_asvs.py::test_nothing",)}, "does not exist"),
        ({"tests": ("tests/nowhere.py::test_the_page_is_current",)}, "does not exist"),
        ({"tests": ()}, "names no test"),
        ({"level": 3}, "has level"),
        ({"answer": "yes"}, "is no answer"),
        ({"answer": "operator", "reason": " "}, "gives no reason"),
        ({"what": ""}, "does not say"),
        ({"id": "V99.1.1"}, "is no requirement"),
    ],
)
def test_a_flaw_of_an_answer_is_named(changed: dict[str, object], said: str) -> None:
    wrong = asvs.problems([replace(ONE, **changed)])  # type: ignore[arg-type]
    assert [each for each in wrong if "has no answer" not in each and said in each]


def test_an_answer_that_is_missing_or_double_is_named() -> None:
    assert f"{ONE.id} has no answer" in asvs.problems([a for a in FOUND if a.id != ONE.id])
    assert f"{ONE.id} stands twice" in asvs.problems([*FOUND, ONE])

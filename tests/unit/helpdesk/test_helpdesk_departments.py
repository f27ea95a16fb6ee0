"""The directory of departments, which an operator's file can replace."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.helpdesk.departments import PATH_VARIABLE, load_directory
from shared.config import ConfigurationError

VALID = """
departments: {all: {title: {ru: Все, en: All}, email: all@example.invalid}}
topics: {any: {title: {ru: Любая, en: Any}, department: all}}
limits: {questions_per_day: 1, messages_per_day: 1}
"""


def test_every_shipped_topic_leads_to_a_department_with_a_mailbox() -> None:
    directory = load_directory({})
    for topic in directory.topics:
        assert directory.department_email(directory.department_of(topic))


def test_an_operators_file_is_used(tmp_path: Path) -> None:
    path = tmp_path / "departments.yaml"
    path.write_text(VALID)
    directory = load_directory({PATH_VARIABLE: str(path)})
    assert directory.department_of("any") == "all"


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("department: all", "department: none", "no such department"),
        ("all@example.invalid", "nowhere", "email"),
        ("questions_per_day: 1", "questions_per_day: 0", "questions_per_day"),
        ("topics:", "themes:", "themes"),
        ("departments:", "departments: [", "cannot be used"),
    ],
)
def test_invalid_file_is_refused_with_its_fault(
    tmp_path: Path, before: str, after: str, fault: str
) -> None:
    path = tmp_path / "departments.yaml"
    path.write_text(VALID.replace(before, after, 1))
    with pytest.raises(ConfigurationError, match=fault):
        load_directory({PATH_VARIABLE: str(path)})

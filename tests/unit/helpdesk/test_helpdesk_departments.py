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


HOUSES = VALID.replace(
    "topics:",
    "houses:\n"
    "- {address: 'г. Примерск, ул. Озёрная', departments: {all: east}}\n"
    "- {address: 'Примерск Озерная д. 1', departments: {all: first}}\n"
    "- {address: 'Примерск Лесная 4', departments: {all: first}}\n"
    "- {address: 'Примерск, мкр. 7', departments: {all: first}}\n"
    "- {address: 'Примерск, ул. 1 Мая', departments: {all: first}}\n"
    "topics:",
).replace(
    "departments: {all:",
    "departments: {east: {title: {ru: В, en: E}, email: e@example.invalid}, "
    "first: {title: {ru: П, en: F}, email: f@example.invalid, answer_within: 2, staff: [olga]}, "
    "all:",
    1,
)


@pytest.mark.parametrize(
    ("house", "department"),
    [
        (None, "all"),
        ("", "all"),
        ("г. Примерск, ул. Озерная, д. 5", "east"),
        ("Г ПРИМЕРСК УЛ ОЗЁРНАЯ 5", "east"),
        ("г. Примерск, ул. Озёрная Горка, д. 5", "east"),
        ("г. Примерск, ул. Озёрнаяя, д. 5", "all"),
        ("Примерск, Озёрная, д. 1", "first"),
        ("Примерск, Озёрная, д. 10", "all"),
        ("Примерск, Озёрная, д. 1/2", "all"),
        ("Примерск, Озёрная, д. 1, корп. 2", "all"),
        ("Примерск, Озёрная, д. 1 стр. 3", "all"),
        ("Примерск, Лесная, 4", "first"),
        ("Примерск, Лесная, 4/2", "all"),
        ("Примерск, мкр. 7, д. 5", "first"),
        ("Примерск, мкр. 7, д. 5, корп. 2", "first"),
        ("Примерск, мкр. 7а, д. 5", "all"),
        ("Примерск, ул. 1 Мая, д. 5", "first"),
        ("г. Другой, ул. Озёрная, д. 1", "all"),
    ],
)
def test_a_house_may_have_departments_of_its_own(
    tmp_path: Path, house: str | None, department: str
) -> None:
    path = tmp_path / "departments.yaml"
    path.write_text(HOUSES, "utf-8")
    directory = load_directory({PATH_VARIABLE: str(path)})
    assert directory.department_of("any", house) == department
    assert directory.department_email(department)


def test_the_longest_address_counts(tmp_path: Path) -> None:
    path = tmp_path / "departments.yaml"
    path.write_text(HOUSES.replace("'Примерск Озерная", "'г. Примерск, ул. Озерная"), "utf-8")
    directory = load_directory({PATH_VARIABLE: str(path)})
    assert directory.department_of("any", "г. Примерск, ул. Озерная, д. 1") == "first"
    assert directory.department_of("any", "г. Примерск, ул. Озерная, д. 10") == "east"
    assert (directory.answer_within("any", "first"), directory.answer_within("any", "east")) == (
        2,
        10,
    )
    assert directory.staff_of("first") == ("olga",)


@pytest.mark.parametrize(
    ("before", "after"), [("{all: east}", "{all: none}"), ("{all: east}", "{none: east}")]
)
def test_a_house_names_departments_that_there_are(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "departments.yaml"
    path.write_text(HOUSES.replace(before, after), "utf-8")
    with pytest.raises(ConfigurationError, match="Озёрная names none, no such department"):
        load_directory({PATH_VARIABLE: str(path)})

"""The directory of departments and topics, read from YAML."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec
import yaml

from shared.config import ConfigurationError
from shared.errors import ValidationFailed

PATH_VARIABLE = "SALDO_HELPDESK_DEPARTMENTS"
"""The environment variable with the path of a file that replaces the shipped one."""

_SHIPPED = Path(__file__).with_name("departments.yaml")

_Id = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]
_Line = Annotated[str, msgspec.Meta(pattern=r"^[^\r\n]{1,120}$")]
_Email = Annotated[str, msgspec.Meta(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]
_Positive = Annotated[int, msgspec.Meta(ge=1)]
_WorkingDays = Annotated[int, msgspec.Meta(ge=1, le=60)]
_Login = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_-]{0,31}$")]

_WORD = re.compile(r"[^\W_]+")
_HOUSE_WORDS = frozenset(("д", "дом", "зд", "здание", "вл", "влд", "владение"))


class Title(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ru: _Line
    en: _Line


class Department(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A department, and its mailbox for new questions.

    ``answer_within`` counts working days, None: as many as for others. ``staff`` are those to whom
    its questions may be assigned; empty: everybody who may answer.
    """

    title: Title
    email: _Email
    answer_within: _WorkingDays | None = None
    staff: tuple[_Login, ...] = ()


class Topic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A topic of questions, its department, and how soon that answers, if not as usual."""

    title: Title
    department: _Id
    answer_within: _WorkingDays | None = None


class House(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Houses with departments of their own, in the place of those of the topics.

    ``address`` is as in the registry: a street, of which it has every house, or one house, which
    has none of its further buildings («д. 4/2», «д. 4, корп. 2»).
    """

    address: _Line
    departments: dict[_Id, _Id]

    def __post_init__(self) -> None:
        if not words_of(self.address):
            raise ValueError("an address has a letter or a digit")

    def has(self, house: tuple[str, ...]) -> bool:
        """Return whether a house, by the words of its address, is one of these."""
        words = words_of(self.address)
        rest = house[len(words) :]
        if house[: len(words)] != words:
            return False
        if not rest:
            return True
        if _has_house(words):
            return False
        # A microdistrict ends with a number, as a house does: what follows tells them apart.
        return not words[-1][0].isdigit() or _has_house(rest)


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one person may write within any 24 hours, and what he is promised.

    ``answer_within`` counts working days, where neither topic nor department has a number.
    """

    questions_per_day: _Positive
    messages_per_day: _Positive
    attachments_per_day: _Positive = 30
    answer_within: _WorkingDays = 10


class Directory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The departments, the topics, the houses of some departments, and the limits on questions."""

    departments: dict[_Id, Department]
    topics: dict[_Id, Topic]
    limits: Limits
    houses: tuple[House, ...] = ()

    def __post_init__(self) -> None:
        named: dict[str, tuple[str, ...]] = {
            f"topic {name}": (topic.department,) for name, topic in self.topics.items()
        }
        for house in self.houses:
            named[f"house {house.address}"] = (*house.departments, *house.departments.values())
        for where, departments in named.items():
            for department in departments:
                if department not in self.departments:
                    raise ValueError(f"{where} names {department}, no such department")

    def department_of(self, topic: str, house: str | None = None) -> str:
        """Return the department of a topic, for a house by its address without the flat.

        Where several entries cover the house, the longest address counts. Raises
        ValidationFailed ``unknown_topic``.
        """
        if topic not in self.topics:
            raise ValidationFailed(
                "unknown_topic", "There is no such topic; choose one of the list of topics."
            )
        department = self.topics[topic].department
        words = words_of(house or "")
        matching = [each for each in self.houses if each.has(words)]
        if not matching:
            return department
        nearest = max(matching, key=lambda each: len(words_of(each.address)))
        return nearest.departments.get(department, department)

    def answer_within(self, topic: str, department: str) -> int:
        """Return within how many working days a department answers questions of a topic."""
        chosen = (self.topics.get(topic), self.departments.get(department))
        days = (each.answer_within for each in chosen if each is not None)
        return next((each for each in days if each is not None), self.limits.answer_within)

    def staff_of(self, department: str) -> tuple[str, ...]:
        """Return to whom questions of a department may be assigned; empty: to everybody."""
        known = self.departments.get(department)
        return known.staff if known else ()

    def check_department(self, department: str) -> None:
        """Raise ValidationFailed ``unknown_department`` for a department that is not listed."""
        if department not in self.departments:
            raise ValidationFailed(
                "unknown_department",
                f"There is no such department; choose one of {', '.join(self.departments)}.",
                departments=list(self.departments),
            )

    def topic_title(self, topic: str) -> Title:
        """Return a topic's title, or its id if it is no longer listed."""
        known = self.topics.get(topic)
        return known.title if known else Title(topic, topic)

    def department_title(self, department: str) -> Title:
        """Return a department's title, or its id if it is no longer listed."""
        known = self.departments.get(department)
        return known.title if known else Title(department, department)

    def department_email(self, department: str) -> str | None:
        """Return a department's mailbox, or None if it is no longer listed."""
        known = self.departments.get(department)
        return known.email if known else None


def words_of(address: str) -> tuple[str, ...]:
    """Return the words of an address, as addresses are compared: however they are punctuated."""
    return tuple(_WORD.findall(address.casefold().replace("ё", "е")))


def _has_house(words: Sequence[str]) -> bool:
    return any(word in _HOUSE_WORDS and number[0].isdigit() for word, number in pairwise(words))


def load_directory(environ: Mapping[str, str] | None = None) -> Directory:
    """Return the directory from the operator's file, or from the shipped one.

    Raises ConfigurationError with the path of the file and the field at fault.
    """
    env = os.environ if environ is None else environ
    path = Path(env.get(PATH_VARIABLE) or _SHIPPED)
    try:
        return msgspec.convert(yaml.safe_load(path.read_text("utf-8")), Directory)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"the departments file {path} cannot be used: {error}") from error

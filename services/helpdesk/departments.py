"""The directory of departments and topics, read from YAML."""

from __future__ import annotations

import os
from collections.abc import Mapping
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


class Title(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ru: _Line
    en: _Line


class Department(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A department, and its mailbox for new questions."""

    title: Title
    email: _Email


class Topic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A topic of questions, and its department."""

    title: Title
    department: _Id


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one person may write within any 24 hours."""

    questions_per_day: _Positive
    messages_per_day: _Positive
    attachments_per_day: _Positive = 30


class Directory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The departments, the topics, and the limits on questions."""

    departments: dict[_Id, Department]
    topics: dict[_Id, Topic]
    limits: Limits

    def __post_init__(self) -> None:
        for name, topic in self.topics.items():
            if topic.department not in self.departments:
                raise ValueError(f"topic {name} names {topic.department}, no such department")

    def department_of(self, topic: str) -> str:
        """Return the department of a topic.

        Raises ValidationFailed ``unknown_topic``.
        """
        if topic not in self.topics:
            raise ValidationFailed(
                "unknown_topic", "There is no such topic; choose one of the list of topics."
            )
        return self.topics[topic].department

    def check_department(self, department: str) -> None:
        """Raise ValidationFailed ``unknown_department`` for a department that is not listed."""
        if department not in self.departments:
            raise ValidationFailed(
                "unknown_department",
                f"There is no such department; choose one of {', '.join(self.departments)}.",
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

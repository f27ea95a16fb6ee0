"""Every staff verb has the options that its kind needs."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import click
import pytest
import typer

from services.cli import app
from services.verbs import StaffVerbs, Verb

REPOSITORY = Path(__file__).resolve().parents[3]
READING = {"--json"}
WRITING = {"--dry-run", "--reason"}
PROGRESS = {"counting", "counting_bytes", "Progress"}


def groups(within: typer.Typer = app, prefix: str = "") -> Iterator[tuple[str, typer.Typer]]:
    for group in within.registered_groups:
        assert group.name
        assert group.typer_instance
        yield f"{prefix}{group.name}", group.typer_instance
        yield from groups(group.typer_instance, f"{prefix}{group.name} ")


def declared() -> dict[str, tuple[Verb, click.Command, Callable[..., Any]]]:
    """Return each verb: what it is declared to do, its command and its function."""
    found = {}
    for name, group in groups():
        assert isinstance(group, StaffVerbs), name
        command = typer.main.get_group(group)
        assert not group.registered_commands, f"{name}: mount by reads() or writes()"
        for verb, kind in group.verbs.items():
            function = group.functions[verb].load()
            found[f"{name} {verb}"] = (kind, command.commands[verb], function)  # type: ignore[attr-defined]
    return found


VERBS = declared()


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_has_the_options_of_its_kind(name: str) -> None:
    kind, command, _ = VERBS[name]
    options = {option for parameter in command.params for option in parameter.opts}
    assert (WRITING if kind.writes else READING) <= options
    if not kind.writes:
        assert not {"--actor", "--reason"} & options


@pytest.mark.parametrize("name", VERBS)
def test_a_long_verb_shows_its_progress(name: str) -> None:
    kind, _, function = VERBS[name]
    assert shows_progress(function, set()) == kind.long


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_says_what_it_does(name: str) -> None:
    _, command, _ = VERBS[name]
    assert (command.help or "").split("\n")[0].endswith((".", ":"))
    for parameter in command.params:
        # Typer prints help as markup of rich, which leaves out what stands in brackets.
        assert "[" not in (getattr(parameter, "help", None) or "")


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_is_named_in_the_documents_of_its_subject(name: str) -> None:
    subject, _, _ = name.partition(" ")
    elsewhere = {"bus": "shared/bus", "keys": "shared", "staff": "shared"}
    folder = REPOSITORY / elsewhere.get(subject, f"services/{subject}")
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.md"))
    assert re.search(rf"\bsaldo {name}(?![\w-])", text), folder / "README.md"


def shows_progress(function: FunctionType | Callable[..., Any], seen: set[str]) -> bool:
    """Return whether a function reaches a progress bar by the functions that it names."""
    scope = vars(sys.modules[function.__module__])
    for name in names_of(inspect.unwrap(function).__code__):  # type: ignore[attr-defined]
        if name in PROGRESS:
            return True
        called = scope.get(name)
        key = f"{function.__module__}.{name}"
        if key in seen or not callable(called):
            continue
        seen.add(key)
        candidates = [called]
        if inspect.isclass(called):
            candidates = [member for member in vars(called).values() if inspect.isfunction(member)]
        if any(
            inspect.isfunction(candidate)
            and candidate.__module__.startswith("services.")
            and candidate.__module__ != "services.terminal"
            and shows_progress(candidate, seen)
            for candidate in candidates
        ):
            return True
    return False


def names_of(code: Any) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if inspect.iscode(constant):
            yield from names_of(constant)


@pytest.mark.parametrize("name", VERBS)
def test_help_has_no_line_end_within_a_paragraph(name: str) -> None:
    _, command, _ = VERBS[name]
    assert command.help
    assert "\n" not in command.help.replace("\n\n", "")
    assert "``" not in command.help

"""Names of what identity tells, in the language of the output; facts of one person."""

from __future__ import annotations

from collections.abc import Iterable

from services.language import text
from services.terminal import new_table, show


def type_name(person_type: str) -> str:
    """Return the name of a type of person."""
    return {
        "individual": text("individual"),
        "organisation": text("organisation"),
    }.get(person_type, person_type)


def password_name(state: str) -> str:
    """Return the name of what a person can sign in with."""
    return {
        "own": text("a password of his own"),
        "temporary": text("the temporary password"),
        "temporary_expired": text("nothing: the temporary password has expired"),
        "none": text("nothing yet: the first letter is being written"),
        "erased": text("nothing: erased"),
    }.get(state, state)


def letter_name(letter: str) -> str:
    """Return the name of a letter that is written again."""
    return {
        "temporary_password": text("the temporary password"),
        "recovery_link": text("the link of a recovery"),
        "registration_code": text("the code of a registration"),
    }.get(letter, letter)


def role_name(role: str) -> str:
    """Return the name of what somebody may do with an account."""
    return {
        "owner": text("owner"),
        "payer": text("payer"),
        "viewer": text("viewer"),
    }.get(role, role)


def language_name(language: str) -> str:
    """Return the name of the language of letters."""
    return {"ru": text("Russian"), "en": text("English")}.get(language, language)


def show_facts(title: str, facts: Iterable[tuple[str, str]]) -> None:
    """Print facts, a row each, under a title."""
    table = new_table(title, text("What"), "")
    for what, value in facts:
        table.add_row(what, value)
    show(table)

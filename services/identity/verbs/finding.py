"""``saldo identity find | show``: who it is that calls, and what is known of him."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from uuid import UUID

import typer

from services.identity.verbs.words import (
    language_name,
    password_name,
    role_name,
    show_facts,
    type_name,
)
from services.language import text
from services.staff_calls import calls_to
from services.terminal import (
    DIFFERENCE,
    Actor,
    DryRun,
    Json,
    Reason,
    minute,
    new_table,
    out,
    print_json,
    recorded_reason,
    reporting,
    show,
)

PersonId = Annotated[UUID, typer.Argument(metavar="PERSON", help="The id, as find shows it.")]

_URN = "urn:uuid:"
_LENGTH_OF_CODE = 8
"""Characters of a code that a page shows; on the telephone nobody says which are capital."""


def find(
    email: Annotated[
        str | None, typer.Option(help="By the address with which somebody signs in.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="By a personal account: all who have access to it.")
    ] = None,
    payment: Annotated[UUID | None, typer.Option(help="By the id of a payment: who paid.")] = None,
    question: Annotated[
        str | None, typer.Option(help="By the number or the id of a question: who asked.")
    ] = None,
    support_code: Annotated[
        str | None, typer.Option(help="By the code of an error page: who met it.")
    ] = None,
    json: Json = False,
) -> None:
    """Find persons by one of these; addresses and names are masked.

    Exit code 0: found; 1: nobody.
    """
    given = {
        "email": email,
        "account": account,
        "payment": payment,
        "question": question,
        "support_code": support_code,
    }
    with reporting():
        chosen = {name: value for name, value in given.items() if value is not None}
        if len(chosen) != 1:
            raise ValueError(
                text(
                    "give exactly one of --email, --account, --payment, --question, --support-code"
                )
            )
        [(by, value)] = chosen.items()
        persons = _found(by, str(value))
    if json:
        print_json({"persons": persons})
    elif persons:
        _show_found(persons, access=by == "account")
    else:
        out.print(text("Nobody is found by that."))
    if not persons:
        raise typer.Exit(DIFFERENCE)


def _found(by: str, value: str) -> list[dict[str, Any]]:
    if by == "email":
        return _persons(email=value)
    if by == "support_code":
        return _persons(support_code=_code(value))
    if by == "account":
        return _persons_of_account(value)
    return _persons(person_ids=[_payer(value) if by == "payment" else _asker(value)])


def _payer(payment: str) -> str:
    with calls_to("payments") as payments:
        return str(payments.ask("payer", payment=payment)["person_id"])


def _asker(question: str) -> str:
    with calls_to("helpdesk") as helpdesk:
        return str(helpdesk.ask("asker", question=question)["person_id"])


def _code(said: str) -> str:
    """Return a support code as pages write it, or the id of an error as the API does."""
    code = said.strip().removeprefix(_URN)
    return code.upper() if len(code) == _LENGTH_OF_CODE else code.lower()


def _persons_of_account(number: str) -> list[dict[str, Any]]:
    with calls_to("accounts") as accounts:
        links = accounts.ask("persons_of", number=number)["persons"]
    access: dict[str, list[dict[str, Any]]] = {}
    for link in links:
        access.setdefault(link["person_id"], []).append(
            {name: link[name] for name in ("role", "since", "until")}
        )
    persons = _persons(person_ids=list(access)) if access else []
    return [{**person, "access": access[person["person_id"]]} for person in persons]


def _persons(**by: Any) -> list[dict[str, Any]]:
    with calls_to("identity") as identity:
        found: list[dict[str, Any]] = identity.ask("find_persons", **by)["persons"]
    return found


def _show_found(persons: list[dict[str, Any]], *, access: bool) -> None:
    names = [text("Person"), text("E-mail"), text("Name"), text("Type"), text("Registered (UTC)")]
    table = new_table(
        text("Found"), *names, text("Signs in with"), *([text("Access")] if access else [])
    )
    for person in persons:
        table.add_row(
            person["person_id"],
            person["email"] or "",
            person["name"] or "",
            type_name(person["person_type"]),
            minute(person["registered_at"]),
            password_name(person["password"]),
            *(["\n".join(map(_access, person["access"]))] if access else []),
        )
    show(table)


def _access(link: Mapping[str, Any]) -> str:
    period = f"{link['since'] or ''}…{link['until'] or ''}"
    return role_name(link["role"]) if period == "…" else f"{role_name(link['role'])} {period}"


def show_person(
    person_id: PersonId,
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Show all of a person in clear; who asked and why is kept in the security log.

    A dry run shows nothing: it only checks that there is such a person, and that you may.
    """
    with reporting():
        why = recorded_reason(reason)
        with calls_to("identity", actor) as identity:
            found = identity.command(
                "show_person", person_id=person_id, reason=why, dry_run=dry_run
            )
    if json:
        print_json(found)
    elif dry_run:
        out.print(text("Dry run: all checks passed, nothing was written."))
    else:
        show_facts(found["person_id"], _facts(found))
        _show_sessions(found["sessions"])


def _facts(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield text("Type"), type_name(found["person_type"])
    yield text("E-mail"), found["email"]
    if found["full_name"]:
        yield text("Name"), found["full_name"]
    if found["phone"]:
        yield text("Phone"), found["phone"]
    if organisation := found["organisation"]:
        yield text("Organisation"), organisation["name"]
        yield text("INN"), organisation["inn"]
    yield text("Language of letters"), language_name(found["language"])
    yield text("Registered (UTC)"), minute(found["registered_at"])
    yield text("Signs in with"), password_name(found["password"])
    yield text("Rules accepted"), found["rules_version"]
    yield text("Consent given"), found["consent_version"]


def _show_sessions(sessions: list[dict[str, Any]]) -> None:
    table = new_table(
        text("Sessions"), text("Device"), text("Opened (UTC)"), text("Last seen (UTC)")
    )
    for one in sessions:
        table.add_row(one["device"], minute(one["created_at"]), minute(one["last_seen_at"]))
    show(table)

"""``saldo bus subscriber``: other systems that read the published events, and what each may see."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from services.staff_environment import as_shell, write_private
from services.subscriber_administration import (
    Credentials,
    SubscriberAdministration,
    check_name,
    new_credentials,
)
from services.subscriber_environment import credentials_in, subscriber_environment
from services.terminal import (
    DryRun,
    Json,
    Reason,
    new_table,
    out,
    print_json,
    recorded_reason,
    reporting,
    show,
)
from shared.bus.grants import Grants
from shared.config import load_settings

Name = Annotated[str, typer.Argument(help="The name, such as datamart.")]
Granted = Annotated[
    list[str],
    typer.Option("--grant", help="What it may see: a service, or service.type; repeatable."),
]
Persons = Annotated[bool, typer.Option("--persons", help="Include identifiers of persons.")]
Env = Annotated[Path | None, typer.Option(help="Write the settings of its program to this file.")]


def add(
    name: Name,
    grant: Granted,
    reason: Reason,
    persons: Persons = False,
    env: Env = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Add a subscriber, and print the settings of its program, which are shown only once.

    With --env and the file of an existing subscriber, completes an addition that was interrupted.
    """
    with reporting():
        why, settings = recorded_reason(reason), load_settings()
        check_name(name)
        grants = Grants.parse(grant, persons=persons)
        credentials = (credentials_in(env) if env else None) or new_credentials()
        variables = subscriber_environment(settings, name, credentials)
        if not dry_run:
            SubscriberAdministration(settings).add(name, grants, credentials, why)
            _write(env, variables)
    _print_done(name, "added", grants, env, dry_run, json, variables)


def list_(json: Json = False) -> None:
    """List which subscriber may see what, and when each last read over HTTP."""
    with reporting():
        found = SubscriberAdministration(load_settings()).listing()
    if json:
        print_json(
            [
                {
                    "name": one.name,
                    "grants": list(one.grants),
                    "persons": one.persons,
                    "created_at": one.created_at,
                    "last_used_at": one.last_used_at,
                }
                for one in found
            ]
        )
        return
    table = new_table("Subscribers", "Name", "Sees", "Persons", "Since", "Last read by HTTP")
    for one in found:
        used = "" if one.last_used_at is None else f"{one.last_used_at:%Y-%m-%d %H:%M}"
        since = f"{one.created_at:%Y-%m-%d}"
        persons = "yes" if one.persons else "no"
        table.add_row(one.name, ", ".join(one.grants), persons, since, used)
    show(table)


def grant_(
    name: Name,
    grant: Granted,
    reason: Reason,
    persons: Persons = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Let a subscriber see this and nothing else, from its next request on.

    Bindings to more are taken away; what waits in its queues already stays there.
    """
    with reporting():
        why = recorded_reason(reason)
        check_name(name)
        grants = Grants.parse(grant, persons=persons)
        if not dry_run:
            SubscriberAdministration(load_settings()).grant(name, grants, why)
    _print_done(name, "changed", grants, None, dry_run, json)


def rotate(
    name: Name, reason: Reason, env: Env = None, dry_run: DryRun = False, json: Json = False
) -> None:
    """Give a subscriber a new password and token; the old ones are refused at once."""
    with reporting():
        why, settings = recorded_reason(reason), load_settings()
        check_name(name)
        credentials: Credentials = new_credentials()
        variables = subscriber_environment(settings, name, credentials)
        if not dry_run:
            SubscriberAdministration(settings).rotate(name, credentials, why)
            _write(env, variables)
    _print_done(name, "changed", None, env, dry_run, json, variables)


def remove(name: Name, reason: Reason, dry_run: DryRun = False, json: Json = False) -> None:
    """Remove a subscriber: end its connections, delete its queues, refuse its token."""
    with reporting():
        why = recorded_reason(reason)
        check_name(name)
        if not dry_run:
            SubscriberAdministration(load_settings()).remove(name, why)
    _print_done(name, "removed", None, None, dry_run, json)


def _write(env: Path | None, variables: Mapping[str, str]) -> None:
    if env is not None:
        write_private(env, as_shell(variables))


def _print_done(
    name: str,
    done: str,
    grants: Grants | None,
    env: Path | None,
    dry_run: bool,
    json: bool,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Print what was done; the secrets too, where no file has them."""
    shown = dict(variables or {}) if not dry_run and env is None else {}
    if json:
        fields = {"name": name, "dry_run": dry_run, "env": str(env) if env else None}
        granted = {"grants": grants.texts(), "persons": grants.persons} if grants else {}
        print_json({**fields, **granted, "settings": shown})
    elif shown:
        sys.stdout.write(as_shell(shown))
    else:
        sees = f" and sees {', '.join(grants.texts())}" if grants else ""
        where = f"; its settings are in {env}" if env and not dry_run else ""
        verb = "would be" if dry_run else "is"
        out.print(f"{name} {verb} {done}{sees}{where}", soft_wrap=True)

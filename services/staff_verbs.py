"""The verbs of ``saldo staff``: who works here, and what each may do."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from services.staff_administration import StaffAdministration, check_name, check_roles
from services.staff_environment import as_shell, terminal_environment, write_private
from services.terminal import (
    DryRun,
    Json,
    Reason,
    new_table,
    out,
    print_json,
    recorded_reason,
    reporting,
    roubles,
    show,
)
from shared.config import load_settings
from shared.money import Kopecks, parse_roubles
from shared.staff import MONEY, PERMISSIONS, ROLES

Name = Annotated[str, typer.Argument(help="The name, such as ivanova.")]


def add(
    name: Name,
    role: Annotated[list[str], typer.Option(help=f"One of {', '.join(ROLES)}; repeatable.")],
    reason: Reason,
    env: Annotated[
        Path | None, typer.Option(help="Write the settings of his terminal to this file.")
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Add somebody with these roles and no others, and print the settings of his terminal.

    Adding him again completes an addition that was interrupted, and gives him a new password.
    """
    with reporting():
        why, settings = recorded_reason(reason), load_settings()
        check_name(name)
        check_roles(role)
        password = secrets.token_urlsafe(24)
        variables = terminal_environment(settings, os.environ, name, role, password)
        if not dry_run:
            StaffAdministration(settings).add(name, role, password, why)
            if env is not None:
                write_private(env, as_shell(variables))
    done = "would be" if dry_run else "is"
    if json:
        shown = {} if dry_run or env is not None else variables
        print_json(
            {"name": name, "roles": role, "dry_run": dry_run, "env": _text(env), "settings": shown}
        )
    elif dry_run or env is not None:
        where = f"; the settings of his terminal are in {env}" if env and not dry_run else ""
        out.print(f"{name} {done} added as {', '.join(role)}{where}", soft_wrap=True)
    else:
        sys.stdout.write(as_shell(variables))


def list_(json: Json = False) -> None:
    """List who may do what, up to which amount, since when, and who granted it."""
    with reporting():
        members = StaffAdministration(load_settings()).members()
    if json:
        print_json(
            [
                {
                    "name": member.name,
                    "broker": member.broker,
                    "database": member.database,
                    "grants": [
                        {"service": service, **grant._asdict()} for service, grant in member.grants
                    ],
                }
                for member in members
            ]
        )
        return
    staff = new_table("Staff", "Name", "Signs in to")
    permissions = new_table("Permissions", "Name", "Service", "Permission", amounts=("Up to",))
    for name in ("Since", "By"):
        permissions.add_column(name)
    for member in members:
        places = [("bus", member.broker), ("database", member.database)]
        staff.add_row(member.name, ", ".join(place for place, has in places if has))
        for service, grant in member.grants:
            since, up_to = f"{grant.at:%Y-%m-%d}", roubles(grant.up_to)
            permissions.add_row(member.name, service, grant.permission, up_to, since, grant.by)
    show(staff)
    show(permissions, keys=3)


def remove(name: Name, reason: Reason, dry_run: DryRun = False, json: Json = False) -> None:
    """Take all rights from somebody, and end his sessions."""
    with reporting():
        why = recorded_reason(reason)
        check_name(name)
        if not dry_run:
            StaffAdministration(load_settings()).remove(name, why)
    if json:
        print_json({"name": name, "dry_run": dry_run})
    else:
        out.print(f"{name} {'would be' if dry_run else 'is'} removed")


def may(
    name: Name,
    permission: Annotated[str, typer.Argument(help="What he may do, such as adjust.")],
    reason: Reason,
    service: Annotated[
        str | None, typer.Option(help="The service, if several have this permission.")
    ] = None,
    up_to: Annotated[
        str | None,
        typer.Option(help="The limit in roubles, such as 100000,00; without it there is none."),
    ] = None,
    not_: Annotated[bool, typer.Option("--not", help="Take the permission away.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Grant a permission to one of the staff, change its limit, or take it away.

    Nobody changes his own: the database refuses it.
    """
    with reporting():
        why, where = recorded_reason(reason), _service_of(permission, service)
        check_name(name)
        limit = _limit(permission, up_to, not_)
        administration = StaffAdministration(load_settings())
        if not dry_run and not_:
            administration.may_not(name, where, permission, why)
        elif not dry_run:
            administration.may(name, where, permission, limit, why)
    result: dict[str, Any] = {
        "name": name,
        "service": where,
        "permission": permission,
        "granted": not not_,
        "up_to": limit,
        "dry_run": dry_run,
    }
    if json:
        print_json(result)
        return
    sentence = f"{name} may {'not ' if not_ else ''}{permission} in {where}"
    bound = f" up to {roubles(limit)}" if limit is not None else ""
    out.print(f"{'would be: ' if dry_run else ''}{sentence}{bound}", soft_wrap=True)


def _service_of(permission: str, service: str | None) -> str:
    """Return the service that has a permission; raises ValueError unless it is one."""
    found = [name for name, known in PERMISSIONS.items() if permission in known]
    if service is not None and service in found:
        return service
    if not found or service is not None:
        raise ValueError(
            "there is no such permission; there are "
            + "; ".join(f"{name}: {', '.join(known)}" for name, known in PERMISSIONS.items())
        )
    if len(found) > 1:
        raise ValueError(f"--service: {permission} is a permission in {', '.join(found)}")
    return found[0]


def _limit(permission: str, up_to: str | None, not_: bool) -> Kopecks | None:
    if up_to is None:
        return None
    if not_ or permission not in MONEY:
        raise ValueError(f"--up-to is for {', '.join(sorted(MONEY))}, and not with --not")
    limit = parse_roubles(up_to)
    if limit < 0:
        raise ValueError("--up-to: a limit is not negative")
    return limit


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)

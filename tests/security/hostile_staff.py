"""Members of the staff who turn hostile: their calls by a client of their own, not our terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg

from shared.errors import ServiceError
from shared.rpc.client import RpcClient
from tests.conftest import BrokerUser
from tests.security.hostile_site import Site
from tests.staff_terminal import grant

SQL = (
    "' OR '1'='1",
    "'; DROP TABLE ledger.events; --",
    "\\'; SELECT pg_sleep(10); --",
    "%",
    "____",
    "%(part)s",
    "{0.__class__}",
    "$$; COPY ledger.events TO PROGRAM 'id'; $$",
    "\u02bc OR 1=1",
)
ESCAPES = ("\x1b]0;owned\x07", "\x1b[2J\x1b[1;1H", "\x9b31m", "\u202eevil", "\x00")
SEARCHES: tuple[tuple[str, str, str], ...] = (
    ("ledger", "find_payments", "part"),
    ("ledger", "statement_by_days", "number"),
    ("ledger", "proposal", "proposal_id"),
    ("identity", "find_persons", "email"),
    ("identity", "find_persons", "support_code"),
    ("payments", "list_payments", "account"),
    ("payments", "show_payment", "payment_id"),
    ("helpdesk", "find_questions", "state"),
    ("notifications", "letters_listed", "kind"),
    ("accounts", "attempts", "number"),
)
"""What staff look for by a text: the service, the method, and the argument."""


@dataclass
class Clerk:
    """One of the staff: his user of the broker, and a client that sends whatever he likes."""

    user: BrokerUser
    client: RpcClient

    @property
    def actor(self) -> str:
        return f"staff:{self.user.name}"

    def outcome(self, service: str, method: str, **arguments: Any) -> tuple[str, Any]:
        """Return the kind of the outcome ("done" or that of a refusal), and its result or code."""
        try:
            return "done", self.client.call(service, method, deadline=20.0, **arguments)
        except ServiceError as refused:
            return refused.kind, refused.code


@contextmanager
def hired(
    site: Site,
    staff_member: Callable[..., BrokerUser],
    role: str,
    granted: dict[str, tuple[str, ...]],
    *,
    up_to: int | None = None,
) -> Iterator[Clerk]:
    """Make one of the staff with permissions by service, and sign him in."""
    user = staff_member(role)
    for service, permissions in granted.items():
        for permission in permissions:
            grant(site.settings, service, user.name, permission, up_to)
    client = RpcClient(user.url, name="hostile")
    try:
        yield Clerk(user, client)
    finally:
        client.close()


def adjustment(site: Site, amount: int, reason: str = "act 7", **more: Any) -> dict[str, Any]:
    return {
        "account": site.victim.number,
        "period": "2026-10",
        "lines": [{"service": "heating", "amount": amount}],
        "reason": reason,
        **more,
    }


def divided(clerks: list[Clerk], site: Site, parts: int, amount: int) -> list[tuple[str, str]]:
    """Let clerks adjust by many small parts at once; return (actor, state) of each."""

    def one(turn: int) -> tuple[str, str]:
        clerk = clerks[turn % len(clerks)]
        wanted = adjustment(site, -amount if turn % 4 < 2 else amount, key=str(uuid4()))
        kind, result = clerk.outcome("ledger", "adjust", **wanted)
        return clerk.actor, result["state"] if kind == "done" else f"{kind} {result}"

    with ThreadPoolExecutor(len(clerks) * 4) as pool:
        return list(pool.map(one, range(parts)))


def events_of(site: Site, actor: str) -> list[dict[str, Any]]:
    """Return the events of the ledger that an actor is recorded for."""
    with psycopg.connect(site.settings.database_url) as connection:
        rows = connection.execute(
            "SELECT topic, convert_from(state, 'UTF8'), command_id::text FROM ledger.events"
            " WHERE actor = %s ORDER BY notification_id",
            (actor,),
        ).fetchall()
    return [{"topic": row[0], "state": json.loads(row[1]), "command_id": row[2]} for row in rows]

"""The verb ``recover``, which the CLI of every service has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from services.chosen_book import chosen_book
from services.language import text
from services.recovery.applying import apply as apply_to
from services.recovery.applying import ask, wait_for_search
from services.recovery.showing import print_as_json, show_applied, show_status
from services.recovery.status import status_of
from services.terminal import (
    DIFFERENCE,
    DONE,
    Actor,
    DryRun,
    Json,
    OptionalReason,
    author,
    counting,
    opened_store,
    refused,
    reporting,
)
from shared import context
from shared.books import SPLIT

Apply = Annotated[bool, typer.Option("--apply", help="Recover; it needs --reason.")]
All = Annotated[
    bool, typer.Option("--all", help="List what was ever lost, and what staff were to repeat.")
]


def recover_of(service: str) -> Callable[..., None]:
    """Return the verb of a service."""

    def recover(
        apply: Apply = False,
        actor: Actor = None,
        reason: OptionalReason = "",
        dry_run: DryRun = False,
        json: Json = False,
        ever: All = False,
    ) -> None:
        """Say what a restore or a failover took from the log, and bring it back with --apply.

        Without --apply nothing is written: it lists the lost events with what becomes of each, the
        readers that have applied what others have lost, and what staff must repeat. Exit code 1:
        something is to be done, with --apply: something is left to staff. --all lists that again.
        """
        if apply and ever:
            raise refused(text("--all only lists: leave out --apply"))
        log = chosen_book() if service == SPLIT else None
        _recover(log or service, apply and not dry_run, actor, reason, json, ever)

    return recover


def _recover(
    service: str, apply: bool, actor: str | None, reason: str, json: bool, ever: bool
) -> None:
    with reporting():
        who, why = author(actor, reason, optional=not apply)
        with context.bind(actor=who), opened_store(service, writes=True) as store:
            asked: list[str] = []
            if apply:
                asked = ask(store, why)
                wait_for_search(store, counting)
            status, applied = status_of(store, counting, ever=ever), None
            if apply and (asked or not status.is_clean):
                status, applied = apply_to(store, status, asked, why, counting)
    if json:
        print_as_json(status, applied)
    else:
        show_status(status)
        if applied is not None:
            show_applied(service, applied)
    done = status.is_clean if applied is None else not (applied.waiting or applied.left_to_staff)
    raise typer.Exit(DONE if done else DIFFERENCE)

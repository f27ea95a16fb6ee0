"""Bugs of the command path: ids, commits, answers."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import Any

from tests.faults.bugs.planting import Function, plant
from tests.faults.bugs.switch import SWITCH

_EXECUTE = "shared.eventstore.postgres:PostgresStore.execute"


class _UndoneError(Exception):
    """Rolls a transaction back."""


def _decide(store: Any, cursor: Any, handler: Any, command: Any) -> Any:
    from shared.eventstore.asked import Asked

    asked = Asked.of_request(store.fingerprint(handler, command))
    with ExitStack() as together:
        result, _ = store._attempt(cursor, handler, command, asked, False, together)
    return result


@plant("answered-before-the-commit", _EXECUTE)
def _answer_early(original: Function) -> Function:
    """The answer is given, then the process dies, and nothing is committed."""

    def wrong(self: Any, handler: Any, command: Any, **how: Any) -> Any:
        if handler.__name__ != "ask" or not SWITCH.strikes("died"):
            return original(self, handler, command, **how)
        result = None
        with suppress(_UndoneError), self.transaction() as cursor:
            result = _decide(self, cursor, handler, command)
            raise _UndoneError
        return result

    return wrong


@plant("unknown-commit-is-a-success", _EXECUTE)
def _hope(original: Function) -> Function:
    """The connection breaks before the commit, and the answer is that all went well."""

    def wrong(self: Any, handler: Any, command: Any, **how: Any) -> Any:
        import psycopg

        if handler.__name__ != "correct" or not SWITCH.strikes("broken"):
            return original(self, handler, command, **how)
        result = None
        with suppress(psycopg.Error), self.transaction() as cursor:
            result = _decide(self, cursor, handler, command)
            cursor.connection.close()
        return result

    return wrong


@plant("command-id-is-not-stored", "shared.eventstore.command_table:keep")
def _do_not_keep(original: Function) -> Function:
    def wrong(cursor: Any, row: tuple[Any, ...]) -> None:
        """Store nothing: what is repeated is done again."""

    return wrong


@plant("refused-and-done", _EXECUTE)
def _refuse_what_is_done(original: Function) -> Function:
    """The command is committed, and the answer is a refusal."""

    def wrong(self: Any, handler: Any, command: Any, **how: Any) -> Any:
        from shared.errors import Conflict

        result = original(self, handler, command, **how)
        if handler.__name__ == "ask" and SWITCH.strikes("refused"):
            raise Conflict("too_many_questions", "Refused by a planted bug.")
        return result

    return wrong


@plant("key-of-a-request-is-ignored", "gateway.idempotency:command_id_of")
def _ignore_key(original: Function) -> Function:
    def wrong(request: Any, *others: Any) -> Any:
        from shared.ids import new_id

        return new_id() if request.path.endswith("/questions") else original(request, *others)

    return wrong


@plant("key-serves-another-request", "shared.eventstore.session:kept_result")
def _serve_any(original: Function) -> Function:
    """Whoever uses a key again gets what was answered before, whatever is asked."""

    def wrong(kept: bytes, result: bytes, fingerprint: bytes) -> Any:
        return original(kept, result, kept)

    return wrong


@plant("recorded-in-the-name-of-another", "shared.eventstore.postgres:PostgresStore._attempt")
def _name_another(original: Function) -> Function:
    def wrong(self: Any, *arguments: Any) -> Any:
        from uuid import UUID

        from shared import context

        if not context.current().actor.startswith("person:"):
            return original(self, *arguments)
        with context.bind(actor=f"person:{UUID(int=1)}"):
            return original(self, *arguments)

    return wrong


@plant("correction-is-of-another-sum", "services.ledger.domain.account:Account.adjust_charges")
def _correct_otherwise(original: Function) -> Function:
    def wrong(self: Any, id: Any, period: Any, on: Any, lines: Any, *others: Any, **n: Any) -> Any:
        from msgspec.structs import replace

        more = [replace(line, amount=line.amount + 1) for line in lines]
        return original(self, id, period, on, more, *others, **n)

    return wrong

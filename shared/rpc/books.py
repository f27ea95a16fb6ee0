"""Calls to the ledger where it has several books: each goes to the book that it concerns.

Whoever calls knows the rules by which numbers are of books; it asks the first book for them, and
again when they are some seconds old. A rule is made before there is an account that it concerns, so
an older one misleads nobody: at worst an account that was just opened is not found yet. What
concerns several books is asked of each, at the same time, and put together; see
:mod:`shared.rpc.book_methods` for each method of the ledger.

Without further books nothing of this is between a caller and the client.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from shared.account_key import number_of
from shared.books import SPLIT
from shared.errors import ServiceError, Unavailable
from shared.logs import get_logger

log = get_logger(__name__)

RULES_S = 5.0
"""How old the rules may be by which calls are routed."""
DEADLINE_S = 5.0


class Client(Protocol):
    """A client of the RPCs."""

    def call(
        self,
        service: str,
        method: str,
        *,
        deadline: float = DEADLINE_S,
        command_id: UUID | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call a method; as `RpcClient.call`."""
        ...


@dataclass(frozen=True)
class Question:
    """A call to the ledger that is to be routed."""

    router: BookRouter
    method: str
    options: Mapping[str, Any]

    @property
    def logs(self) -> Sequence[str]:
        """The logs of all books, the first one first."""
        return self.router.logs

    def of(self, key: str) -> str:
        """Return the log of the book that an account is of, by its key."""
        return self.router.book_of(number_of(key), float(self.options["deadline"]))

    def ask(self, log: str, arguments: Mapping[str, Any], method: str = "") -> Any:
        """Ask one book, by another method if one is named."""
        return self.router.client.call(log, method or self.method, **self.options, **arguments)

    def ask_each(self, asked: Mapping[str, Mapping[str, Any]], method: str = "") -> dict[str, Any]:
        """Ask some books at the same time; return their answers. Raises what one of them does."""
        if len(asked) == 1:
            return {log: self.ask(log, arguments, method) for log, arguments in asked.items()}
        answers: dict[str, Any] = {}

        def ask(log: str, arguments: Mapping[str, Any]) -> None:
            try:
                answers[log] = self.ask(log, arguments, method)
            except Exception as error:  # noqa: BLE001 - raised to who asks
                answers[log] = error

        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(ask, *one), daemon=True)
            for one in asked.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for answer in answers.values():
            if isinstance(answer, Exception):
                raise answer
        return {log: answers[log] for log in asked}


Way = Callable[[Question, dict[str, Any]], Any]
"""How a method of the ledger is asked where there are several books."""


class BookRouter:
    """A client that routes calls to the ledger; all others go as they are."""

    def __init__(self, client: Client, books: Sequence[str], ways: Mapping[str, Way]) -> None:
        self.client = client
        self.logs = (SPLIT, *books)
        self._ways = ways
        self._rules: Mapping[str, str] | None = None
        self._lengths: Sequence[int] = ()
        self._asked_at = float("-inf")
        self._refused: ServiceError | None = None
        self._asking = threading.Lock()

    def call(
        self,
        service: str,
        method: str,
        *,
        deadline: float = DEADLINE_S,
        command_id: UUID | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call a method and return its result; as `RpcClient.call`."""
        options: dict[str, Any] = {"deadline": deadline, "command_id": command_id}
        way = self._ways.get(method) if service == SPLIT else None
        if way is None:
            return self.client.call(service, method, **options, **kwargs)
        return way(Question(self, method, options), kwargs)

    def close(self) -> None:
        """Close the client, if it is one to be closed."""
        close = getattr(self.client, "close", None)
        if close is not None:
            close()

    def book_of(self, number: str, deadline: float) -> str:
        """Return the log of the book that a number is of; raises Unavailable.

        The longest prefix decides.
        """
        rules = self._current(deadline)
        for length in self._lengths:
            if (found := rules.get(number[:length])) is not None:
                if found not in self.logs:
                    log.error("book_not_configured", book=found)
                    raise Unavailable(
                        "service_unavailable",
                        f"{found} has these numbers, and is missing in SALDO_LEDGER_BOOKS.",
                        service=found,
                    )
                return found
        return SPLIT

    def _current(self, deadline: float) -> Mapping[str, str]:
        known = self._rules
        if known is not None and time.monotonic() - self._asked_at < RULES_S:
            return known
        # One asks, and the others go by what is known; before the first answer all wait for it.
        since = time.monotonic()
        if not self._asking.acquire(timeout=0 if known is not None else deadline):
            if known is None:
                raise Unavailable("service_unavailable", "The rules of the books are not known.")
            return known
        try:
            if self._rules is not None and time.monotonic() - self._asked_at < RULES_S:
                return self._rules
            if self._refused is not None and self._asked_at > since:
                raise self._refused  # whom we have waited for has asked in vain
            try:
                answer = self.client.call(SPLIT, "books", deadline=deadline)
            except ServiceError as error:
                if known is None:
                    self._refused, self._asked_at = error, time.monotonic()
                    raise
                # The other books go on while the first one is away.
                log.warning("book_rules_are_old", code=error.code)
                self._asked_at = time.monotonic()
                return known
            found = {rule["prefix"]: rule["book"] for rule in answer["rules"]}
            self._lengths = sorted({len(prefix) for prefix in found}, reverse=True)
            self._rules, self._asked_at, self._refused = found, time.monotonic(), None
            return found
        finally:
            self._asking.release()

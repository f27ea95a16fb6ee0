"""Calls of YooKassa's API: objects and lists of them, refusals, and doubts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec

from services.payments.acquirers import Refused, UnknownOutcome
from services.payments.acquirers.exchange import Answer, Deadline, exchange
from services.payments.acquirers.yookassa.objects import Error
from shared.acquirer_settings import AcquirerSettings
from shared.logs import get_logger

log = get_logger(__name__)

_PAGE_SIZE: Final = 100
_MOST_PAGES: Final = 1000
_TOO_MANY: Final = 429

T = TypeVar("T")


class Api:
    """The API of one shop."""

    def __init__(self, settings: AcquirerSettings) -> None:
        self._url = f"{settings.url}/v3"
        self._credentials = (settings.user.encode(), settings.password.encode())

    def call(
        self,
        method: str,
        path: str,
        shape: type[T],
        *,
        key: str = "",
        deadline: Deadline | None = None,
        **request: Any,
    ) -> T | Refused | UnknownOutcome:
        """Return the object of a response; `key` makes repetitions of a POST one call for a day."""
        answer = exchange(
            method,
            f"{self._url}/{path}",
            deadline,
            auth=self._credentials,
            headers={"Idempotence-Key": key} if key else {},
            **request,
        )
        outcome = answer if isinstance(answer, UnknownOutcome) else _decoded(answer, shape)
        objects = path.partition("/")[0]
        if isinstance(outcome, UnknownOutcome):
            log.warning("acquirer_outcome_unknown", call=objects, reason=outcome.reason)
        elif isinstance(outcome, Refused):
            log.warning("acquirer_refused", call=objects, reason=outcome.reason)
        return outcome

    def pages(
        self,
        path: str,
        shape: type[T],
        window: Mapping[str, str],
        deadline: Deadline | None = None,
    ) -> Iterator[T | Refused | UnknownOutcome]:
        """Return a list page by page; a refusal or a doubt is its last one."""
        cursor = ""
        for _ in range(_MOST_PAGES):
            query = {**window, "limit": str(_PAGE_SIZE)} | ({"cursor": cursor} if cursor else {})
            page = self.call("GET", path, shape, params=query, deadline=deadline)
            yield page
            cursor = getattr(page, "next_cursor", None) or ""
            if not cursor:
                return
        yield UnknownOutcome("the list has no end")


def _decoded(answer: Answer, shape: type[T]) -> T | Refused | UnknownOutcome:
    """Return the object of a response; a refusal is certain only as an object of its own."""
    refused = 400 <= answer.status < 500 and answer.status != _TOO_MANY
    try:
        if answer.status == 200:
            return msgspec.json.decode(answer.body, type=shape)
        if refused:
            return Refused(msgspec.json.decode(answer.body, type=Error).code[:64])
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        return UnknownOutcome(f"HTTP {answer.status}, {type(error).__name__}")
    return UnknownOutcome(f"HTTP {answer.status}")

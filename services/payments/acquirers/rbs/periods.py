"""The orders of a period, page by page, while the bank goes on taking payments.

A page number says nothing about which orders are on it: one more payment shifts them all. So a
period is believed only when its pages agree; otherwise each half of it is asked for by itself, as
the older one changes no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.payments.acquirers.rbs.responses import OrdersResponse, StatusResponse
from services.payments.acquirers.rbs.translation import order_id_of
from shared.errors import Unavailable

#: The bank gives no more in a page.
PAGE_SIZE: Final = 200

#: A period with more pages is halved: the longer it is read, the more often it changes.
_MOST_PAGES: Final = 10

_SECOND: Final = timedelta(seconds=1)
_ZONE: Final = ZoneInfo("Europe/Moscow")

#: Returns one page of the orders that were paid between two instants in the bank's notation.
FetchPage = Callable[[str, str, int], OrdersResponse]


def orders_of_period(
    fetch: FetchPage, since: datetime, until: datetime
) -> Iterator[StatusResponse]:
    """Return the orders that the bank has for a period, each once.

    The period is widened to whole seconds, the bank's unit; the ends may hold a few orders more.
    Raises Unavailable for a second that never settles, and whatever `fetch` raises.
    """
    seen: set[tuple[str, str]] = set()
    first = since.replace(microsecond=0)
    for order in _settled(fetch, first, max(until, first + _SECOND)):
        key = (order.order_number, order_id_of(order))
        if key not in seen:
            seen.add(key)
            yield order


def _settled(fetch: FetchPage, since: datetime, until: datetime) -> Iterator[StatusResponse]:
    orders = _pages(fetch, since, until)
    if orders is not None:
        yield from orders
        return
    half = (since + (until - since) / 2).replace(microsecond=0)
    if not since < half < until:
        raise Unavailable(
            "acquirer_unavailable", "The acquirer's report changes as it is read; try again later."
        )
    yield from _settled(fetch, since, half)
    yield from _settled(fetch, half, until)


def _pages(fetch: FetchPage, since: datetime, until: datetime) -> list[StatusResponse] | None:
    """Return the orders of all pages; None where the pages do not agree."""
    orders: list[StatusResponse] = []
    totals: set[int | None] = set()
    # Both ends belong to the period: an order of a second that two periods share is found twice.
    ends = _notation(since), _notation(until + _SECOND)
    for number in range(_MOST_PAGES):
        page = fetch(*ends, number)
        orders.extend(page.order_statuses)
        totals.add(page.total_count)
        if (page.total_count or 0) > _MOST_PAGES * PAGE_SIZE:
            return None
        if len(page.order_statuses) < PAGE_SIZE:
            break
    else:
        return None
    if number == 0 and page.total_count is None:
        return orders
    distinct = {(order.order_number, order_id_of(order)) for order in orders}
    return orders if totals == {len(distinct)} else None


def _notation(instant: datetime) -> str:
    return instant.astimezone(_ZONE).strftime("%Y%m%d%H%M%S")

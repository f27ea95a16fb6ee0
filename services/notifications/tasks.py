"""Lasting work of each worker process: connections to the mail server, renewal of their claims."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from threading import Event as StopSignal
from typing import Final, Protocol

from services.notifications.claims import RENEWED_EVERY, Claims
from services.notifications.delivery import Delivery
from services.notifications.requests import Lane
from services.notifications.slow_domains import SlowDomains
from shared.bus import Services, Task
from shared.config import Settings
from shared.smtp import ServerUnavailableError

POLL_S: Final = 1.0
"""How soon a letter that is queued is found."""
BACK_OFF_S: Final = (1.0, 2.0, 5.0)
"""The waits while there is no mail server; then a code is on its way within seconds."""


class Running(Services, Protocol):
    """What a task is given."""

    @property
    def stop(self) -> StopSignal:
        """Set when the worker is to end."""
        ...


def tasks(settings: Settings) -> Sequence[Task]:
    """Return the tasks of a process: `mail_connections` deliver at the same time.

    Bulk letters never take the first connection, unless it is the only one.
    """
    claims, slow_domains = Claims(), SlowDomains()

    def renew(services: Running) -> None:
        while not services.stop.wait(RENEWED_EVERY):
            claims.renew(services)

    def deliver(lowest: Lane, services: Running) -> None:
        delivery = Delivery(services, claims, slow_domains, lowest=lowest, stop=services.stop)
        keep_delivering(delivery, services.stop)

    lanes = [Lane.BULK] * settings.mail_connections
    if len(lanes) > 1:
        lanes[0] = Lane.PERSONAL
    return [
        Task("claims", renew),
        *(
            Task(f"delivery {number}", partial(deliver, lowest))
            for number, lowest in enumerate(lanes, start=1)
        ),
    ]


def keep_delivering(delivery: Delivery, stop: StopSignal) -> None:
    """Deliver until stopped, at longer intervals while there is no mail server."""
    failures = 0
    while not stop.is_set():
        try:
            done = delivery.deliver()
        except ServerUnavailableError:
            stop.wait(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
            failures += 1
        else:
            failures = 0
            if not done:
                stop.wait(POLL_S)

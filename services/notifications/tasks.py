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
"""How soon a letter that is queued is found, at the latest."""
GATHER_S: Final = 0.1
"""How long the first connection waits for more once there may be a letter: they share a claim, a
connection and the questions about them."""
BACK_OFF_S: Final = (1.0, 2.0, 5.0)
"""The waits while there is no mail server; then a code is on its way within seconds."""


class Running(Services, Protocol):
    """What a task is given."""

    @property
    def stop(self) -> StopSignal:
        """Set when the worker is to end."""
        ...

    @property
    def appended(self) -> StopSignal:
        """Set when this process has seen new events of the service."""
        ...


def tasks(settings: Settings) -> Sequence[Task]:
    """Return the tasks of a process: `mail_connections` deliver at the same time.

    Bulk letters never take the first connection, unless it is the only one. It is woken for a new
    letter; the others look now and then whether it needs them.
    """
    claims, slow_domains = Claims(), SlowDomains()

    def renew(services: Running) -> None:
        while not services.stop.wait(RENEWED_EVERY):
            claims.renew(services)

    def deliver(lowest: Lane, number: int, services: Running) -> None:
        delivery = Delivery(services, claims, slow_domains, lowest=lowest, stop=services.stop)
        woken = (services.appended,) if number == 1 else ()
        keep_delivering(delivery, services.stop, *woken)

    lanes = [Lane.BULK] * settings.mail_connections
    if len(lanes) > 1:
        lanes[0] = Lane.PERSONAL
    return [
        Task("claims", renew),
        *(
            Task(f"delivery {number}", partial(deliver, lowest, number))
            for number, lowest in enumerate(lanes, start=1)
        ),
    ]


def keep_delivering(delivery: Delivery, stop: StopSignal, woken: StopSignal | None = None) -> None:
    """Deliver until stopped, at longer intervals while there is no mail server.

    Before its time when `woken` is set, too.
    """
    failures = 0
    while not stop.is_set():
        if woken is not None:
            woken.clear()  # what is queued from here on wakes it again
        try:
            done = delivery.deliver()
        except ServerUnavailableError:
            stop.wait(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
            failures += 1
        else:
            failures = 0
            if done:
                continue
            if woken is None:
                stop.wait(POLL_S)
            elif woken.wait(POLL_S):
                stop.wait(GATHER_S)

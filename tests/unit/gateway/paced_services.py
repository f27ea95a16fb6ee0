"""Fake services that answer in rounds, so that a test sees what is asked side by side."""

from __future__ import annotations

from typing import Any

import eventlet
from eventlet.event import Event
from gateway_doubles import FakeServices

TURNS = 20
"""Turns of the hub within which whatever is asked side by side has been asked."""


class PacedServices(FakeServices):
    """Answers together the calls that wait at one time; ``rounds`` counts how often."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds = 0
        self._round: Event | None = None

    def call(self, service: str, method: str, **arguments: Any) -> Any:
        if self._round is None:
            self._round = Event()
            eventlet.spawn(self._end_round, self._round)
        self._round.wait()
        return super().call(service, method, **arguments)

    def _end_round(self, ending: Event) -> None:
        for _ in range(TURNS):
            eventlet.sleep(0)
        self._round = None
        self.rounds += 1
        ending.send()

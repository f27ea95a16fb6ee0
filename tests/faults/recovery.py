"""How long it takes until the house answers again after a process was killed: told, not judged."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import requests

GOALS_S: Mapping[str, float] = {"a service": 5.0, "PostgreSQL": 15.0, "RabbitMQ": 30.0}
EVERY_S = 0.2
_SERVER_FAULTS = 500
TIMEOUT_S = 3.0
NOTICED_S = 2.0
"""An outage that a kill causes begins within so long."""


class Victim(NamedTuple):
    """What was killed, as the goals name it, and who is asked whether it is back."""

    kind: str
    target: str


VICTIMS: Mapping[str, Victim] = {
    "serve": Victim("a service", "api"),
    "gateway": Victim("a service", "api"),
    "work": Victim("a service", "work"),
    "seal": Victim("a service", "seal"),
    "postgres": Victim("PostgreSQL", "api"),
    "rabbitmq": Victim("RabbitMQ", "api"),
    "the primary": Victim("PostgreSQL", "api"),
    "the host of the primary": Victim("PostgreSQL", "api"),
    "the RabbitMQ that serves": Victim("RabbitMQ", "api"),
}


class Outage(NamedTuple):
    """From the first request that failed to the next one that was answered."""

    target: str
    began: float
    ended: float


class Prober:
    """Asks again and again: the API for what a person owes, which goes over the broker to three
    services and their databases; worker and sealer whether they are ready."""

    def __init__(self, environment: Mapping[str, str], token: str) -> None:
        self._token = token
        self._urls = {
            "api": f"{environment['SALDO_URL']}/api/v1/payments/due",
            "work": f"{environment['SALDO_MONITORING_URL_WORK']}/readyz",
            "seal": f"{environment['SALDO_MONITORING_URL_SEAL']}/readyz",
        }
        self.outages: list[Outage] = []

    def run(self, stop: threading.Event) -> None:
        """Ask until stopped."""
        threads = [
            threading.Thread(target=self._ask, args=(target, stop), name=f"probe {target}")
            for target in self._urls
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _ask(self, target: str, stop: threading.Event) -> None:
        since: float | None = None
        with requests.Session() as session:
            session.trust_env = False
            while not stop.wait(EVERY_S):
                asked = time.monotonic()
                if not self._answers(session, self._urls[target]):
                    since = since or asked
                elif since is not None:
                    self.outages.append(Outage(target, since, time.monotonic()))
                    since = None

    def _answers(self, session: requests.Session, url: str) -> bool:
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            answer = session.get(url, headers=headers, timeout=TIMEOUT_S)
        except requests.RequestException:
            return False
        return answer.status_code < _SERVER_FAULTS


def recoveries(
    kills: Sequence[tuple[float, str]], outages: Sequence[Outage]
) -> dict[str, list[float]]:
    """Return the seconds from each kill until there were answers again, by what was killed.

    `kills` are those beside which nothing else was in effect.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for at, process in kills:
        victim = VICTIMS.get(process)
        if victim is None:
            continue
        ended = [
            one.ended
            for one in outages
            if one.target == victim.target and at - EVERY_S <= one.began <= at + NOTICED_S
        ]
        found[victim.kind].append(max(ended, default=at) - at)
    return dict(found)


def told(found: Mapping[str, Sequence[float]]) -> list[str]:
    """Return a line for each kind: how often, the middle and the longest time, and the goal."""
    return [
        f"recovery of {kind}: {len(found[kind])} times, {_median(found[kind]):.1f} s, at most "
        f"{max(found[kind]):.1f} s (goal {goal:.0f} s)"
        for kind, goal in GOALS_S.items()
        if found.get(kind)
    ]


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]

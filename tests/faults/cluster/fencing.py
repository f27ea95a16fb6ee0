"""The fencing of a cluster: a leader who falls silent is switched off, and replaced at once.

Patroni alone waits until the leader's lease in etcd has run out, 20 s at least: until then he may
be alive. An operator who wants to be faster has a device that switches the host off (STONITH), and
ends the lease when it is off. This is such a device: it asks etcd how old the lease is, which is
renewed every second, so that a host that is dead, one that stands still and one that is cut off
look the same. Nothing that it does is a guess: while etcd does not answer, nobody is silent.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import requests

from shared.logs import get_logger

SILENT_S = 4
"""A lease that was not renewed for so long, in whole seconds as etcd counts them, is suspicious."""
SURE_S = 1.5
"""Suspicious for so long without a break, by looks that etcd has answered, is silent."""
_LOOK_S = 0.3
_ASK_S = 1.0
_LEADER = "/service/saldo/leader"

log = get_logger(__name__)


class Lease(NamedTuple):
    """Who leads by it, its id, and the seconds since it was renewed."""

    leader: str
    id: str
    age: int


class Fencing(threading.Thread):
    """Switches off a leader whose lease is not renewed, and ends his lease.

    `switch_off` gets the name of the leader, and returns when nothing of his host runs any more.
    """

    def __init__(self, etcd: str, switch_off: Callable[[str], None]) -> None:
        super().__init__(daemon=True, name="fencing")
        self._etcd = etcd
        self._switch_off = switch_off
        self._ended = threading.Event()
        self.fenced: list[str] = []
        """Who was switched off, in the order in which they were."""
        self.is_on = True
        """Whether it does anything; without it, leases run out."""

    def run(self) -> None:
        suspect, since = "", 0.0
        while not self._ended.wait(_LOOK_S):
            lease = self._lease() if self.is_on else None
            if lease is None or lease.age < SILENT_S:
                suspect = ""
            elif lease.id != suspect:
                suspect, since = lease.id, time.monotonic()
            elif time.monotonic() - since >= SURE_S:
                self._fence(lease)
                suspect = ""

    def end(self) -> None:
        self._ended.set()
        if self.is_alive():
            self.join()

    def _fence(self, lease: Lease) -> None:
        self._switch_off(lease.leader)
        self.fenced.append(lease.leader)
        self._ask("lease/revoke", ID=lease.id)
        log.warning("leader_fenced", leader=lease.leader, silent_s=lease.age)

    def _lease(self) -> Lease | None:
        """Return the leader's lease; None where nobody leads, or etcd does not answer."""
        found = self._ask("kv/range", key=_encoded(_LEADER)).get("kvs")
        if not found or "lease" not in found[0]:
            return None
        asked = self._ask("lease/timetolive", ID=found[0]["lease"])
        # Without a TTL it has run out meanwhile.
        if "TTL" not in asked or "grantedTTL" not in asked:
            return None
        age = int(asked["grantedTTL"]) - int(asked["TTL"])
        return Lease(base64.b64decode(found[0]["value"]).decode(), found[0]["lease"], age)

    def _ask(self, what: str, **body: str) -> dict[str, Any]:
        try:
            answer = requests.post(f"{self._etcd}/v3/{what}", json=body, timeout=_ASK_S)
        except requests.RequestException:
            return {}
        found: dict[str, Any] = answer.json() if answer.ok else {}
        return found


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

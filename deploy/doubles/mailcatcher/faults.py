"""Faults that a test can switch on, as they happen at real mail servers."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from deploy.doubles import fault_switch
from deploy.doubles.fault_switch import RandomFaults


@dataclass(frozen=True)
class Faults(RandomFaults):
    """All off by default, and after a restart: they are kept in memory only.

    The server:

    - `down`: nothing listens, and open connections are cut.
    - `slow_seconds`: every reply, the greeting included, comes that much later.

    A recipient:

    - `greylist`: the first attempt at a sender and recipient is told 450, later ones pass.
    - `defer`: every attempt is told 451.
    - `refuse`: every attempt is told 550.

    The content, after the final dot:

    - `refuse_content`: the reply is 554.
    - `lose_letter`: the connection is cut, and nothing is kept.
    - `lose_answer`: the letter is kept, then the connection is cut.

    An accepted letter:

    - `bounce`: it is not delivered, and its sender gets a report of that.
    - `delay_report`: it is delivered, and its sender gets a report that it is late.

    Any of them:

    - `only_to`: the address or the domain to which the faults of recipient, content and delivery
      are limited; empty: everybody.
    - `chaos`: the probability from 0 to 1 with which a recipient or a content meets a fault, drawn
      at random; none of those loses a letter for good.
    - `chaos_seed`: where the draws begin; setting it begins them anew.
    """

    down: bool = False
    slow_seconds: float = 0.0
    greylist: bool = False
    defer: bool = False
    refuse: bool = False
    refuse_content: bool = False
    lose_letter: bool = False
    lose_answer: bool = False
    bounce: bool = False
    delay_report: bool = False
    only_to: str = ""

    def concern(self, address: str) -> bool:
        """Return whether the faults are meant for a recipient."""
        only, asked = self.only_to.lower(), address.lower()
        return not only or only in {asked, asked.rpartition("@")[2], f"@{asked.rpartition('@')[2]}"}


RECIPIENT: Final = "recipient"
CONTENT: Final = "content"

#: What chaos draws from, by the occasion on which something can fail.
OCCASIONS: Final = {RECIPIENT: ("defer",), CONTENT: ("lose_letter", "lose_answer")}


class FaultSwitch(fault_switch.FaultSwitch[Faults]):
    """The faults in force, and who was greylisted already."""

    def __init__(self) -> None:
        super().__init__(Faults(), OCCASIONS)
        self._seen: set[tuple[str, str]] = set()
        self._seeing = threading.Lock()

    def is_first_attempt(self, sender: str, recipient: str) -> bool:
        """Note an attempt; return whether it is the first one of this pair."""
        pair = (sender.lower(), recipient.lower())
        with self._seeing:
            first = pair not in self._seen
            self._seen.add(pair)
        return first

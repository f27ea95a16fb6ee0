"""Networks that cut, stall, slow and starve connections."""

from __future__ import annotations

from abc import ABC, abstractmethod
from random import Random

from tests.faults.faults import House, fault
from tests.faults.injectors.network import Link, Which

_NODES = ("database", "broker")
_OUTSIDE = ("acquirer", "kassa", "mail", "fiscal", "callbacks")


class _LinkFault(ABC):
    """What the faults of links share: the choice of a link, and its healing."""

    name = ""
    alone = False

    def is_possible(self, house: House) -> bool:
        return any(name in house.proxies for name in (*_NODES, *_OUTSIDE))

    def inject(self, house: House, random: Random) -> str:
        """Break a link, of the two nodes five times as often as another, and note it."""
        names = [name for name in (*_NODES * 5, *_OUTSIDE) if name in house.proxies]
        link = house.proxies[random.choice(names)]
        house.notes[self.name] = link.name
        return self._break(link, random)

    def heal(self, house: House) -> None:
        name = house.notes.pop(self.name, None)
        if name is not None:
            house.proxies[str(name)].heal()

    @abstractmethod
    def _break(self, link: Link, random: Random) -> str:
        """Break the link in the fault's own way, and return what was done."""


@fault
class CutLink(_LinkFault):
    """Connections are reset, and new ones, too: a node that refuses, a firewall that rejects."""

    name = "cut_link"
    lasts = (0.5, 15.0)

    def _break(self, link: Link, random: Random) -> str:
        link.cut()
        return f"cut the link {link.name}"


@fault
class StallLink(_LinkFault):
    """Nothing passes, and no connection ends: a cable, a switch, a host that is gone."""

    name = "stall_link"
    lasts = (1.0, 40.0)

    def _break(self, link: Link, random: Random) -> str:
        link.stall()
        return f"stall the link {link.name}"


@fault
class StallOneWay(_LinkFault):
    """What is sent arrives and no answer does, or the other way round."""

    name = "stall_one_way"
    lasts = (1.0, 40.0)

    def _break(self, link: Link, random: Random) -> str:
        ways: tuple[Which, ...] = ("there", "back")
        way = random.choice(ways)
        link.stall(way)
        return f"stall the link {link.name}, {way}"


@fault
class SlowLink(_LinkFault):
    """Each byte comes late: another town, a full line."""

    name = "slow_link"
    lasts = (5.0, 30.0)

    def _break(self, link: Link, random: Random) -> str:
        seconds = random.choice((0.01, 0.05, 0.3))
        link.slow(seconds)
        return f"slow the link {link.name} by {seconds} s each way"


@fault
class ThrottleLink(_LinkFault):
    """Only so many bytes a second pass."""

    name = "throttle_link"
    lasts = (5.0, 30.0)

    def _break(self, link: Link, random: Random) -> str:
        rate = random.choice((5_000, 50_000))
        link.throttle(rate)
        return f"throttle the link {link.name} to {rate} bytes a second"


@fault
class ResetConnections(_LinkFault):
    """All connections of a link are reset once, and may be made again at once."""

    name = "reset_connections"
    lasts = (0.0, 1.0)

    def _break(self, link: Link, random: Random) -> str:
        link.reset()
        return f"reset the connections of the link {link.name}"

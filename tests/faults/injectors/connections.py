"""Networks that cut, stall, slow and starve connections."""

from __future__ import annotations

from random import Random

from tests.faults.faults import House, Proxy, fault
from tests.faults.injectors.network import Link, Which

_NODES = ("database", "broker")
_OUTSIDE = ("acquirer", "kassa", "mail", "fiscal", "callbacks")


class _LinkFault:
    """What the faults of links share: the choice of a link, and its healing."""

    name = ""

    def is_possible(self, house: House) -> bool:
        return any(name in house.proxies for name in (*_NODES, *_OUTSIDE))

    def heal(self, house: House) -> None:
        link = house.notes.pop(self.name, None)
        if link is not None:
            house.proxies[str(link)].heal()

    def _draw(self, house: House, random: Random) -> str:
        """Return a link, of the two nodes twice as often as of all others, and note it."""
        names = [name for name in (*_NODES * 5, *_OUTSIDE) if name in house.proxies]
        link = random.choice(names)
        house.notes[self.name] = link
        return link


class _OwnLinkFault(_LinkFault):
    """Faults that only our own proxy has."""

    def is_possible(self, house: House) -> bool:
        return all(isinstance(proxy, Link) for proxy in house.proxies.values()) and (
            super().is_possible(house)
        )

    def _link(self, proxy: Proxy) -> Link:
        assert isinstance(proxy, Link)
        return proxy


@fault
class CutLink(_LinkFault):
    """Connections are reset, and new ones, too: a node that refuses, a firewall that rejects."""

    name = "cut_link"
    lasts = (0.5, 15.0)
    alone = False

    def inject(self, house: House, random: Random) -> str:
        link = self._draw(house, random)
        house.proxies[link].cut()
        return f"cut the link {link}"


@fault
class StallLink(_LinkFault):
    """Nothing passes, and no connection ends: a cable, a switch, a host that is gone."""

    name = "stall_link"
    lasts = (1.0, 40.0)
    alone = False

    def inject(self, house: House, random: Random) -> str:
        link = self._draw(house, random)
        house.proxies[link].stall()
        return f"stall the link {link}"


@fault
class StallOneWay(_OwnLinkFault):
    """What is sent arrives and no answer does, or the other way round."""

    name = "stall_one_way"
    lasts = (1.0, 40.0)
    alone = False

    def inject(self, house: House, random: Random) -> str:
        link = self._draw(house, random)
        ways: tuple[Which, ...] = ("there", "back")
        way = random.choice(ways)
        self._link(house.proxies[link]).stall(way)
        return f"stall the link {link}, {way}"


@fault
class SlowLink(_LinkFault):
    """Each byte comes late: another town, a full line."""

    name = "slow_link"
    lasts = (5.0, 30.0)
    alone = False

    def inject(self, house: House, random: Random) -> str:
        link = self._draw(house, random)
        seconds = random.choice((0.01, 0.05, 0.3))
        house.proxies[link].slow(seconds)
        return f"slow the link {link} by {seconds} s each way"


@fault
class ThrottleLink(_OwnLinkFault):
    """Only so many bytes a second pass."""

    name = "throttle_link"
    lasts = (5.0, 30.0)
    alone = False

    def inject(self, house: House, random: Random) -> str:
        link = self._draw(house, random)
        rate = random.choice((5_000, 50_000))
        self._link(house.proxies[link]).throttle(rate)
        return f"throttle the link {link} to {rate} bytes a second"


@fault
class ResetConnections(_OwnLinkFault):
    """All connections of a link are reset once, and may be made again at once."""

    name = "reset_connections"
    lasts = (0.0, 1.0)
    alone = False

    def inject(self, house: House, random: Random) -> str:
        link = self._draw(house, random)
        self._link(house.proxies[link]).reset()
        return f"reset the connections of the link {link}"

"""Drawing a picture of an installation within a terminal, 80 by 24 and larger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.top.picture import HttpFigures, Picture, ReactionFigures
from shared.visible_text import visible

_ALARM = "bold red"


def drawn(picture: Picture, title: str, height: int) -> RenderableType:
    """Return the picture in at most so many lines: what is behind comes first."""
    parts: list[RenderableType] = [
        Text(visible(title), style="bold"),
        _processes(picture),
        _http(picture.http),
    ]
    used = 2 + len(picture.processes) + 1
    if picture.services:
        parts.append(_services(picture))
        used += len(picture.services) + 1
    foreign = picture.queues or []
    room = max(0, height - used - 1)
    for_queues = min(len(foreign) + 1, max(2, room // 2)) if foreign else 0
    reactions = _most_behind(picture.reactions)[: max(0, room - for_queues - 1)]
    if reactions:
        parts.append(_reactions(reactions))
    if foreign:
        parts.append(_queues(picture, for_queues - 1))
    return Group(*parts)


def _processes(picture: Picture) -> Table:
    table = _table("PROCESS", "CPU %", "MEM MiB", last="STATE")
    for one in picture.processes:
        cpu = None if one.cpu is None else one.cpu * 100
        state = Text(visible(one.state), style="" if one.state == "ready" else _ALARM)
        table.add_row(one.process, _figure(cpu), _figure(one.memory), state)
    return table


def _http(http: HttpFigures) -> Text:
    line = Text(
        f"HTTP  {_figure(http.requests)}/s   p95 {_figure(http.p95) or '-'} ms   "
        f"in progress {http.in_progress}   connections {http.connections}   "
    )
    line.append(f"5xx {_figure(http.errors)}/s", style=_ALARM if http.errors else "")
    return line


def _services(picture: Picture) -> Table:
    names = ("EV/S", "LOG", "RELAY", "FOR S", "LIVE", "PARKED", "RPC/S", "P95 MS", "BAD/S")
    table = _table("SERVICE", *names, gap=1)
    for one in picture.services:
        table.add_row(
            one.service,
            _figure(one.events),
            _whole(one.log),
            _alarming(_whole(one.relay_events), bool(one.relay_events)),
            _alarming(_figure(one.relay_seconds), (one.relay_seconds or 0) > 10),
            _whole(one.live_events),
            _alarming(_whole(one.parked), bool(one.parked)),
            _figure(one.calls),
            _figure(one.p95) or "-",
            _alarming(_figure(one.bad_calls), bool(one.bad_calls)),
        )
    return table


def _reactions(reactions: Sequence[ReactionFigures]) -> Table:
    table = _table("REACTIONS OF", "EV/S", "BEHIND", "FOR S", last="TO")
    for one in reactions:
        behind = _alarming(_whole(one.behind), bool(one.behind))
        table.add_row(one.service, _figure(one.events), behind, _figure(one.seconds), one.upstream)
    return table


def _queues(picture: Picture, room: int) -> Table:
    table = _table("SUBSCRIBER'S QUEUE", "MESSAGES", "UNACKED", "CONSUMERS", last="STATE")
    fullest = sorted(picture.queues or (), key=lambda queue: -(queue.messages or 0))
    for queue in fullest[:room]:
        figures = (queue.messages, queue.unacknowledged, queue.consumers)
        table.add_row(visible(queue.name), *map(_whole, figures), queue.state)
    return table


def _table(first: str, *figures: str, last: str = "", gap: int = 2) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")
    table.add_column(first, no_wrap=True, overflow="ellipsis")
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    if last:
        table.add_column(last, no_wrap=True, overflow="ellipsis")
    return table


def _most_behind(reactions: Iterable[ReactionFigures]) -> list[ReactionFigures]:
    return sorted(reactions, key=lambda one: (-(one.behind or 0), -one.seconds, -one.events))


def _alarming(text: str, alarms: bool) -> Text:
    return Text(text, style=_ALARM if alarms else "")


def _whole(value: int | None) -> str:
    return "-" if value is None else str(value)


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"

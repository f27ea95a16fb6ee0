"""``saldo top``: the verb, its loop and its keys."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.live import Live

from services.bus_commands.broker import Broker, QueueFigures, opened_broker
from services.terminal import DIFFERENCE, DONE, Json, out, print_json, reporting
from services.top.picture import picture_of
from services.top.samples import Sample, monitored, sampled
from services.top.screen import drawn
from shared.config import load_settings
from shared.errors import Unavailable

SHORTEST_S = 0.5
ONCE_LINES = 100

Wait = Callable[[float], bool]
"""Waits so many seconds; returns whether it was told to stop."""


def top(
    every: Annotated[float, typer.Option(help="Seconds between two pictures.")] = 2.0,
    once: Annotated[bool, typer.Option(help="Print one picture, and end.")] = False,
    json: Json = False,
) -> None:
    """Show how busy and how well an installation is; q ends it.

    It asks the processes of SALDO_MONITORING_URL_<PROCESS>, and RabbitMQ for its queues where
    SALDO_AMQP_ADMIN_URL names the management API. A process that does not answer is shown as down.
    With --once or --json the exit code is 1 when a process is not ready.
    """
    with reporting():
        if every < SHORTEST_S:
            raise ValueError(f"--every: at least {SHORTEST_S} seconds")
        urls, broker = monitored(os.environ), opened_broker()
        title = f"Saldo {load_settings().url}"
    if once or json or not sys.stdout.isatty():
        before = sampled(urls)
        time.sleep(every)
        picture = picture_of(before, sampled(urls), _queues(broker))
        if json:
            print_json(picture)
        else:
            out.print(drawn(picture, title, ONCE_LINES))
        raise typer.Exit(DONE if picture.all_ready else DIFFERENCE)
    with keys() as wait:
        _show(urls, broker, title, every, wait)


def _show(
    urls: Mapping[str, str], broker: Broker | None, title: str, every: float, wait: Wait
) -> None:
    """Draw a picture every so many seconds until told to stop."""
    before: Mapping[str, Sample] = {}
    with Live(console=out, screen=True, auto_refresh=False) as live:
        while True:
            after = sampled(urls)
            picture = picture_of(before, after, _queues(broker))
            line = f"{title}   {time.strftime('%H:%M:%S')}   every {every:g} s   q: quit"
            live.update(drawn(picture, line, out.height), refresh=True)
            before = after
            if wait(every):
                return


def _queues(broker: Broker | None) -> list[QueueFigures] | None:
    try:
        return list(broker.queues()) if broker else None
    except Unavailable:
        return None


@contextmanager
def keys() -> Iterator[Wait]:
    """Yield a wait that ends early, and says so, when q is pressed or the terminal is gone.

    Ctrl-C ends the block without a trace.
    """
    terminal = sys.stdin.fileno()
    saved = termios.tcgetattr(terminal) if os.isatty(terminal) else None

    def wait(seconds: float) -> bool:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            if saved is None:
                time.sleep(left)
            elif _readable(terminal, left) and os.read(terminal, 1) in (b"q", b"Q", b""):
                return True
        return False

    try:
        if saved is not None:
            tty.setcbreak(terminal)
        yield wait
    except KeyboardInterrupt:
        pass
    finally:
        if saved is not None:
            termios.tcsetattr(terminal, termios.TCSADRAIN, saved)


def _readable(terminal: int, seconds: float) -> bool:
    return bool(select.select([terminal], [], [], seconds)[0])

"""A TCP proxy whose links can be broken; run as a program.

It reads commands from its standard input, a JSON object a line, and answers each by a line: what
`network.py` sends. It ends with its standard input, so none outlives its harness.

A link is what a network does, not what a host does: bytes of a stalled link are kept, as TCP would
send them again, and the end of a connection is not passed on either, so that each side believes
that the other is there.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

CHUNK = 64 * 1024
# On their way at most, each way of a connection: more than this a delay does not hold back.
CHUNKS = 256
_CLOSE_BY_RESET = struct.pack("ii", 1, 0)

Direction = Literal["there", "back"]
DIRECTIONS: tuple[Direction, ...] = ("there", "back")


@dataclass
class Way:
    """How a link passes bytes in one direction."""

    stalled: bool = False
    delay: float = 0.0
    bytes_per_second: float = 0.0


@dataclass(eq=False)
class Flow:
    """One direction of one connection; `last` is when its newest chunk is due."""

    source: asyncio.StreamReader
    target: asyncio.StreamWriter
    last: float = 0.0
    on_its_way: asyncio.Queue[tuple[float, bytes]] = field(
        default_factory=lambda: asyncio.Queue(CHUNKS)
    )


class Link:
    """A listener, where its connections lead, and how they are treated."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.ways: dict[Direction, Way] = {direction: Way() for direction in DIRECTIONS}
        self.is_cut = False
        self.port = 0
        self.passed = dict.fromkeys(DIRECTIONS, 0)
        self._changed = asyncio.Condition()
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    def reset_all(self) -> None:
        """Reset the open connections, on both sides."""
        for writer in list(self._open):
            _reset(writer)

    async def change(self) -> None:
        """Let waiting flows look again."""
        async with self._changed:
            self._changed.notify_all()

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        # Only the end of the proxy cancels it, and that is no error.
        with suppress(asyncio.CancelledError):
            await self._connect(client, back)

    async def _connect(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self._open.add(back)
        there: asyncio.StreamWriter | None = None
        try:
            await self._until(lambda: not self.ways["there"].stalled)
            server, there = await asyncio.open_connection(*self.target, limit=CHUNK)
            self._open.add(there)
            async with asyncio.TaskGroup() as flows:
                flows.create_task(self._pass(Flow(client, there), "there"))
                flows.create_task(self._pass(Flow(server, back), "back"))
        except* OSError:
            _reset(back)
            if there is not None:
                _reset(there)
        finally:
            for writer in (back, there):
                if writer is not None:
                    self._open.discard(writer)
                    writer.close()

    async def _pass(self, flow: Flow, direction: Direction) -> None:
        """Pass on what is sent in one direction, and the end of it."""
        reading = asyncio.create_task(self._read(flow, direction))
        try:
            while True:
                due, chunk = await flow.on_its_way.get()
                await asyncio.sleep(max(0.0, due - _now()))
                await self._until(lambda: not self.ways[direction].stalled)
                if not chunk:
                    break
                flow.target.write(chunk)
                await flow.target.drain()
                self.passed[direction] += len(chunk)
            if flow.target.can_write_eof():
                flow.target.write_eof()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, flow: Flow, direction: Direction) -> None:
        """Read, and say of each chunk when it is due; an empty one is the end."""
        while True:
            try:
                # Whoever sends into a stall must notice that nothing is taken.
                await self._until(lambda: not self.ways[direction].stalled)
                chunk = await flow.source.read(CHUNK)
            except OSError:
                chunk = b""
            way = self.ways[direction]
            rate = way.bytes_per_second
            takes = len(chunk) / rate if rate else 0.0
            flow.last = max(flow.last, _now() + way.delay) + takes
            await flow.on_its_way.put((flow.last, chunk))
            if not chunk:
                return

    async def _until(self, condition: Any) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.is_cut or condition())
        if self.is_cut:
            raise ConnectionResetError


class Proxy:
    """All links, by name, and the commands that change them."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}

    async def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry out a command and return the answer."""
        name = command["link"]
        match command["do"]:
            case "lead":
                return {"port": await self._lead(name, command["host"], command["port"])}
            case "cut":
                self._links[name].is_cut = True
            case "reset":
                self._links[name].reset_all()
            case "set":
                for direction in command["directions"]:
                    way = self._links[name].ways[direction]
                    for what, value in command["way"].items():
                        setattr(way, what, value)
            case "heal":
                link = self._links[name]
                link.is_cut = False
                link.ways.update({direction: Way() for direction in DIRECTIONS})
            case "look":
                passed = self._links[name].passed
                return {"there": passed["there"], "back": passed["back"]}
            case other:
                raise ValueError(f"unknown command {other}")
        link = self._links[name]
        await link.change()
        if link.is_cut:
            link.reset_all()
        return {}

    async def _lead(self, name: str, host: str, port: int) -> int:
        """Lead a link to an address, and return its own port; old connections are reset."""
        link = self._links.get(name)
        if link is None:
            link = self._links[name] = Link((host, port))
            await link.listen()
        elif link.target != (host, port):
            link.target = (host, port)
            link.reset_all()
        return link.port


def _now() -> float:
    return asyncio.get_running_loop().time()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that its peer gets a RST and not the end of the stream."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_BY_RESET)
    writer.transport.abort()


async def main() -> None:
    """Obey until the standard input ends."""
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    proxy = Proxy()
    while line := await commands.readline():
        answer = await proxy.obey(json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())

"""The network between the processes of an installation: links that a test can break.

    with Network() as network:
        installation = Installation(folder, ports=ANY_PORTS, adapt=network.adapt)
        installation.up()
        network.links["database"].cut()

`adapt` puts a link into each URL of each process that leads to a node, a bank, the mail server or
the cash register; `installation.environment` keeps the addresses of the nodes themselves, so that a
test looks past the trouble.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec.structs import replace

from deploy.embedded.books import is_seal_process
from deploy.embedded.plan import ProcessSpec
from deploy.embedded.surroundings import PLAIN_ENVIRONMENT
from tests.faults.injectors import tcp_proxy

Which = Literal["both", "there", "back"]

ADAPTED = ("serve", "work", "seal", "gateway", "acquirer", "yookassa")
"""The processes that go by the links: those of the product, and the banks that call them back. So
do the sealers of further books."""

_BANKS = ("acquirer", "yookassa")
_LINKS = {
    "SALDO_DATABASE_URL": "database",
    "SALDO_KEYS_DATABASE_URL": "database",
    "SALDO_AMQP_URL": "broker",
    "SALDO_SMTP_URL": "mail",
    "SALDO_ACQUIRER_URL": "acquirer",
    "SALDO_ACQUIRER_KASSA_URL": "kassa",
    "SALDO_FISCAL_URL": "fiscal",
}
_CALLBACKS = "SALDO_URL"


class Link:
    """One link; "there" is towards the node, "back" is away from it."""

    def __init__(self, network: Network, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self._network = network

    def cut(self) -> None:
        """Reset the open connections, and each new one as soon as it is made."""
        self._network.command(do="cut", link=self.name)

    def reset(self) -> None:
        """Reset the open connections once; new ones pass."""
        self._network.command(do="reset", link=self.name)

    def stall(self, which: Which = "both") -> None:
        """Pass no byte and no end of a connection; new connections are accepted."""
        self._set(which, stalled=True)

    def slow(self, seconds: float, which: Which = "both") -> None:
        """Delay what passes, in each direction, by so many seconds."""
        self._set(which, delay=seconds)

    def throttle(self, bytes_per_second: float, which: Which = "both") -> None:
        """Pass so many bytes a second at most, of each connection in each direction."""
        self._set(which, bytes_per_second=bytes_per_second)

    def heal(self) -> None:
        """Pass everything at once again; what was stalled is delivered."""
        self._network.command(do="heal", link=self.name)

    def passed(self) -> dict[str, int]:
        """Return how many bytes have passed in each direction."""
        return self._network.command(do="look", link=self.name)

    def _set(self, which: Which, **way: Any) -> None:
        directions: Sequence[str] = tcp_proxy.DIRECTIONS if which == "both" else (which,)
        self._network.command(do="set", link=self.name, directions=directions, way=way)


class Network:
    """A proxy in a process of its own, for the length of a block."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}
        self._lock = threading.RLock()
        self._process = subprocess.Popen(
            # A file, not a module: its package would import all that injectors need.
            [sys.executable, tcp_proxy.__file__],
            env=PLAIN_ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A Ctrl-C that ends the harness must not part the processes from the nodes before.
            start_new_session=True,
        )

    def __enter__(self) -> Network:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the proxy and all connections through it."""
        self._process.communicate(timeout=15)

    @property
    def links(self) -> MappingProxyType[str, Link]:
        """The links made so far, by name."""
        return MappingProxyType(self._links)

    def lead(self, name: str, host: str, port: int) -> Link:
        """Make a link to an address, or lead the one of this name there."""
        with self._lock:
            answer = self.command(do="lead", link=name, host=host, port=port)
            return self._links.setdefault(name, Link(self, name, answer["port"]))

    def heal(self) -> None:
        """Heal all links."""
        for link in list(self._links.values()):
            link.heal()

    def adapt(self, spec: ProcessSpec) -> ProcessSpec:
        """Return a process of the product, or a bank, with links in its URLs."""
        if spec.name not in ADAPTED and not is_seal_process(spec.name):
            return spec
        environ = {
            variable: self._linked(name, value)
            if (name := _link_of(spec.name, variable))
            else value
            for variable, value in spec.environ.items()
        }
        return replace(spec, environ=environ)

    def command(self, **command: Any) -> dict[str, Any]:
        """Have the proxy do something, and return its answer when it is done."""
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the proxy has ended at the command {command['do']}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _linked(self, name: str, url: str) -> str:
        """Return a URL that leads over a link, which is made where it is missing."""
        parts = urlsplit(url)
        if not parts.hostname or not parts.port:
            return url
        link = self.lead(name, parts.hostname, parts.port)
        user, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user}{at}127.0.0.1:{link.port}").geturl()


def _link_of(process: str, variable: str) -> str | None:
    """Return the link for a URL in the environment of a process; None where there is none."""
    if process in _BANKS:
        return "callbacks" if variable == _CALLBACKS else None
    exact = _LINKS.get(variable)
    if exact is not None:
        return exact
    by_role = ("SALDO_DATABASE_URL_", "SALDO_KEYS_DATABASE_URL_", "SALDO_AMQP_URL_")
    prefix = next((one for one in by_role if variable.startswith(one)), None)
    return _LINKS[prefix.rstrip("_")] if prefix else None

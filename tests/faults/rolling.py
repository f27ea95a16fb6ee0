"""An installation whose processes are started one by one, each by the code of a version.

The nodes and the outside parties are those of `make up`, or of `make cluster`; the house's own
processes are not supervised: whoever rolls a version out decides when each of them ends.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from deploy.cluster.installation import CLUSTER_START_S, ClusterInstallation
from deploy.cluster.installation import DEFAULT_PORTS as PORTS_OF_A_CLUSTER
from deploy.cluster.network import ETCD, POSTGRES, RABBITMQ
from deploy.cluster.nodes import OWNER
from deploy.cluster.sections import BALANCERS
from deploy.embedded import process
from deploy.embedded.installation import START_SECONDS, Installation
from deploy.embedded.plan import Check, ProcessSpec
from deploy.embedded.readiness import is_ready
from tests.bench.checkouts import Checkout
from tests.bench.payers import Payer
from tests.nodes import ANY_PORTS
from tests.ports import free_port
from tests.waiting import eventually

OTHERS = ("acquirer", "yookassa", "ofd", "mailcatcher")
OUTSIDE = ("postgres", "rabbitmq", *OTHERS)
OUTSIDE_ON_A_CLUSTER = (*BALANCERS, *ETCD, *POSTGRES, OWNER, *RABBITMQ, *OTHERS)
PREPARED = ("migrate", "broker", "staff", "subscribers")
ONCE_S, READY_S, END_S = 180.0, 120.0, 40.0
_PIECE = 2**16
Adapt = Callable[[ProcessSpec], ProcessSpec]


@dataclass
class Running:
    """A process of the house: its name, the version that it is of, and the file that it logs to."""

    name: str
    version: str
    process: subprocess.Popen[bytes]
    log: Path

    def end(self) -> None:
        """End it as an orchestrator does; it must end well, and in time."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(END_S)
        assert code == 0, f"{self.name} of {self.version} ended with {code}: {self.tail()}"

    def tail(self) -> str:
        """Return the last lines of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8").splitlines()[-5:])


class Balancer:
    """Stands before the gateways: new connections go to the one that it leads to.

    What a connection has begun with one gateway it goes on with.
    """

    def __init__(self, port: int) -> None:
        self._target = 0
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def lead_to(self, port: int) -> None:
        """Lead new connections to a port of this machine."""
        self._target = port

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # it was closed
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as gateway:
            back = threading.Thread(target=_pass, args=(gateway, client), daemon=True)
            back.start()
            _pass(client, gateway)
            back.join()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    """Pass bytes on until their source ends; then tell the sink, by ending its side, too."""
    with suppress(OSError):
        while data := source.recv(_PIECE):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class RollingHouse:
    """The nodes of an installation, and the processes that run on them."""

    def __init__(self, installation: Installation, specs: dict[str, ProcessSpec]) -> None:
        self.installation = installation
        self.running: list[Running] = []
        self._specs = specs
        self._logs = installation.state.log

    def once(self, code: Checkout, name: str, *more: str) -> None:
        """Run a preparation by the code of a version, with more arguments."""
        spec = self._specs[name]
        done = subprocess.run(
            [code.python, *spec.argv[1:], *more],
            cwd=code.folder,
            env=dict(spec.environ),
            capture_output=True,
            text=True,
            timeout=ONCE_S,
            check=False,
        )
        assert done.returncode == 0, f"{name} failed: {done.stderr[-2000:]}"

    def gateway(self, code: Checkout, balancer: Balancer) -> Running:
        """Start a gateway by the code of a version, and have a balancer lead to it."""
        port = free_port()
        made = self.start(code, "gateway", SALDO_GATEWAY_LISTEN=f"127.0.0.1:{port}")
        balancer.lead_to(port)
        return made

    def start(self, code: Checkout, name: str, **environ: str) -> Running:
        """Start a process by the code of a version; return it once it is ready.

        Its monitoring listens at a port of its own: it may run beside the one that it replaces.
        """
        listen = f"127.0.0.1:{free_port()}"
        environ["SALDO_MONITORING_LISTEN"] = listen
        return self._start(code, name, Check("http", f"http://{listen}/readyz"), environ)

    def start_at_home(self, code: Checkout, name: str) -> Running:
        """Start a process where a balancer looks for it; return it once it is ready."""
        ready = self._specs[name].ready
        assert ready is not None
        return self._start(code, name, ready, {})

    def _start(self, code: Checkout, name: str, ready: Check, environ: dict[str, str]) -> Running:
        spec = self._specs[name]
        log = self._logs / f"{name}-{len(self.running)}-{code.folder.name}.log"
        with log.open("wb") as out:
            started = subprocess.Popen(
                [code.python, *spec.argv[1:]],
                cwd=code.folder,
                env=dict(spec.environ) | environ,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        made = Running(name, code.folder.name, started, log)
        self.running.append(made)
        eventually(
            lambda: started.poll() is not None or is_ready(ready), f"{name} is ready", READY_S
        )
        assert started.poll() is None, made.tail()
        return made

    def replace(self, old: Running, code: Checkout) -> Running:
        """Start a process by another version, and end the one in whose place it comes."""
        new = self.start(code, old.name)
        old.end()
        return new

    def logged(self, event: str) -> list[str]:
        """Return the processes that have logged an event."""
        found = f'"{event}"'
        return [
            f"{one.name} of {one.version}"
            for one in self.running
            if found in one.log.read_text(encoding="utf-8")
        ]


@contextmanager
def rolling_house(folder: Path) -> Iterator[RollingHouse]:
    """Run the nodes and the outside parties of an installation in a folder, which is deleted."""

    def on_one_node(adapt: Adapt) -> Installation:
        return Installation(folder, owner=process.myself(), ports=ANY_PORTS, adapt=adapt)

    with _rolling(on_one_node, OUTSIDE, START_SECONDS) as house:
        yield house


@contextmanager
def rolling_cluster(folder: Path) -> Iterator[RollingHouse]:
    """Run those of a cluster, whose machines are addresses of the loopback interface."""

    def on_a_cluster(adapt: Adapt) -> Installation:
        return ClusterInstallation(
            folder,
            owner=process.myself(),
            ports=dict.fromkeys(PORTS_OF_A_CLUSTER, 0),
            kind="loopback",
            adapt=adapt,
        )

    with _rolling(on_a_cluster, OUTSIDE_ON_A_CLUSTER, CLUSTER_START_S) as house:
        yield house


@contextmanager
def _rolling(
    installed: Callable[[Adapt], Installation], outside: Sequence[str], seconds: float
) -> Iterator[RollingHouse]:
    """Run the nodes and the outside parties of an installation, which is deleted afterwards.

    Without fiscal receipts, which an older version may not know.
    """
    specs: dict[str, ProcessSpec] = {}

    def noted(spec: ProcessSpec) -> ProcessSpec:
        environ = {name: value for name, value in spec.environ.items() if name != "SALDO_FISCAL"}
        argv = tuple(word for word in spec.argv if word != "--contract")  # `make up` rolls nothing
        specs[spec.name] = spec = msgspec.structs.replace(spec, environ=environ, argv=argv)
        return spec

    installation = installed(noted)
    house: RollingHouse | None = None
    try:
        installation.up(outside, seconds=seconds)
        house = RollingHouse(installation, specs)
        yield house
    finally:
        for one in house.running if house else ():
            one.process.kill()
            one.process.wait()
        installation.reset()


class Load:
    """Payers who pay one payment after another until they are told to stop."""

    def __init__(self, payers: Sequence[Payer]) -> None:
        self._payers = payers
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(len(payers))
        self._turns: list[Future[None]] = []
        self.seconds: list[float] = []

    def begin(self) -> None:
        """Let them pay, until one of them is refused."""
        self._turns = [self._pool.submit(self._pay, payer) for payer in self._payers]

    def check(self) -> None:
        """Raise what a payer was refused with, if one was."""
        for turn in self._turns:
            if turn.done():
                turn.result()

    def more(self, count: int) -> None:
        """Wait until so many more payments are completed; raises like check."""
        wanted = len(self.seconds) + count
        ends = time.monotonic() + READY_S
        while len(self.seconds) < wanted:
            self.check()
            assert time.monotonic() < ends, f"{len(self.seconds)} of {wanted} payments"
            self._stop.wait(0.05)

    def end(self) -> int:
        """Stop, and return how many payments were completed; raises like check."""
        self._stop.set()
        self._pool.shutdown()
        for turn in self._turns:
            turn.result()
        return len(self.seconds)

    def _pay(self, payer: Payer) -> None:
        while not self._stop.is_set():
            self.seconds.append(payer.pay())

"""HAProxy of a cluster: what it is told, and where it then leads, with servers of the test."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from deploy.cluster import haproxy, namespaces
from deploy.cluster.haproxy import Section, Server
from deploy.cluster.installation import DEFAULT_PORTS
from deploy.cluster.network import APPLICATIONS, HOST, POSTGRES, RABBITMQ, Kind, choose
from deploy.cluster.sections import BALANCERS, OUTSIDE, sections, statistics
from deploy.embedded import process
from deploy.embedded.install import MissingPrerequisite
from deploy.embedded.surroundings import LOOPBACK
from deploy.embedded.system_user import SystemUser
from tests.ports import free_port
from tests.waiting import eventually

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
needs_haproxy = pytest.mark.skipif(
    HAPROXY is None, reason="HAProxy is not installed, so it has not read its configuration"
)
GREETING, START = b"AMQP\0\0\x09\x01", b"\x01\0\0\0\0\x01\xfe\0\x0a\0\x0a"
STAYS = """\
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as caller:
    caller.sendall(b"hello")
    caller.recv(1)
"""
ANSWERS_S = 15.0
VANISHED_S = 60.0
"""PostgreSQL itself takes 15 s (`shared.database`)."""
CLIENT_S = 3.0


def ports() -> dict[str, int]:
    return dict(DEFAULT_PORTS)


def rendered(section: Section) -> dict[str, list[list[str]]]:
    """Return the words of a section's lines, by their first one."""
    found: dict[str, list[list[str]]] = {}
    for line in section.render().splitlines()[1:]:
        first, *words = line.split()
        found.setdefault(first, []).append(words)
    return found


@pytest.mark.parametrize("kind", ["loopback", "namespaces"])
def test_each_node_and_gateway_is_behind_an_address_and_watched(tmp_path: Path, kind: Kind) -> None:
    network = choose(tmp_path, kind)
    known = {section.name: rendered(section) for section in sections(network, ports())}
    behind = {"gateway": APPLICATIONS, "postgresql": POSTGRES, "amqp": RABBITMQ}
    behind["management"] = RABBITMQ
    for name, machines in behind.items():
        servers = known[name]["server"]
        assert [server[0] for server in servers] == list(machines)
        assert all("check" in server for server in servers), name
        for server in servers:
            assert server[1].rpartition(":")[0] == network.address(server[0])
    for server in known["postgresql"]["server"]:
        # By Patroni, never by PostgreSQL, which does not know that it is deposed.
        assert server[-2:] == ["port", str(ports()["patroni"])]


@pytest.mark.parametrize("kind", ["loopback", "namespaces"])
def test_only_the_host_itself_reaches_what_people_use(tmp_path: Path, kind: Kind) -> None:
    network = choose(tmp_path, kind)
    bound = {
        address
        for section in sections(network, ports())
        for address, *_ in rendered(section).get("bind", ())
    }
    allowed = {LOOPBACK, network.address(HOST)}
    assert {address.rpartition(":")[0] for address in bound} <= allowed
    at_loopback = {address for address in bound if address.startswith(f"{LOOPBACK}:")}
    assert f"{LOOPBACK}:{ports()['gateway']}" in at_loopback
    onward = {f"{network.address(HOST)}:{ports()[name]}" for name in OUTSIDE}
    assert (onward <= bound) == (kind == "namespaces")


@needs_haproxy
@pytest.mark.parametrize("kind", ["loopback", "namespaces"])
def test_haproxy_takes_what_is_rendered(tmp_path: Path, kind: Kind) -> None:
    network = choose(tmp_path, kind)
    for name in BALANCERS:
        file = tmp_path / f"{name}.cfg"
        stats = statistics(ports(), name)
        file.write_text(haproxy.render(stats, sections(network, ports())), encoding="ascii")
        haproxy.check(file, Path(str(HAPROXY)))


@needs_haproxy
def test_configuration_that_haproxy_does_not_take_is_named(tmp_path: Path) -> None:
    section = Section(
        "wrong", ["127.0.0.1:1"], [Server("one", "127.0.0.1:2")], "    balance by luck"
    )
    with pytest.raises(MissingPrerequisite, match="balance"):
        haproxy.process(
            "balancer-1", "127.0.0.1:3", [section], tmp_path, Path(str(HAPROXY)), NOBODY_ELSE
        )


NOBODY_ELSE = SystemUser(None, None)


@contextmanager
def balanced(folder: Path, *known: Section, name: str = "balancer-1") -> Iterator[process.Identity]:
    """Run HAProxy with some sections."""
    stats = f"{LOOPBACK}:{free_port()}"
    spec = haproxy.process(name, stats, known, folder, Path(str(HAPROXY)), NOBODY_ELSE)
    child = process.start(
        spec.argv, record=None, log=folder / f"{name}.log", environ=spec.environ, cwd=folder
    )
    identity = process.identity_of(child.pid)
    assert identity is not None
    try:
        eventually(lambda: answers(f"http://{stats}/"), "HAProxy starts", ANSWERS_S)
        yield identity
    finally:
        process.stop(identity)
        child.wait(ANSWERS_S)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=CLIENT_S).ok
    except requests.RequestException:
        return False


@contextmanager
def pages(statuses: Mapping[str, int]) -> Iterator[int]:
    """Serve pages with these statuses, which may change, and yield the port.

    Each says who has called.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = ",".join(self.headers.get_all("X-Forwarded-For", ())).encode()
            self.send_response(statuses.get(self.path, 404))
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_OPTIONS = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            pass

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(ANSWERS_S)


@contextmanager
def sessions(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept sessions, which stay open, and answer each; yield the port."""
    kept: list[socket.socket] = []
    answering: list[threading.Thread] = []
    with socket.create_server((LOOPBACK, 0)) as server:

        def accept() -> None:
            while True:
                try:
                    caller = server.accept()[0]
                except OSError:
                    return
                kept.append(caller)
                answering.append(threading.Thread(target=answer, args=(caller,), daemon=True))
                answering[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        for thread in (accepting, *answering):
            thread.join(ANSWERS_S)
        for caller in kept:
            caller.close()


def heard(port: int, first: bytes = b"") -> bytes:
    """Open a session, and return what the other end says; empty where it ends."""
    with socket.create_connection((LOOPBACK, port), CLIENT_S) as caller:
        try:
            caller.sendall(first)
            return caller.recv(64)
        except OSError:
            return b""


def said(text: bytes) -> Callable[[socket.socket], None]:
    def say(caller: socket.socket) -> None:
        with suppress(OSError):  # a check has gone already
            caller.sendall(text)

    return say


@needs_haproxy
def test_sessions_lead_to_whoever_leads_and_end_with_the_deposed(tmp_path: Path) -> None:
    one, two = {"/primary": 200}, {"/primary": 503}
    port = free_port()
    with (
        pages(one) as rest_one, pages(two) as rest_two,
        sessions(said(b"one")) as first, sessions(said(b"two")) as second,
    ):  # fmt: skip
        servers = [
            Server("pg-1", f"{LOOPBACK}:{first}", rest_one),
            Server("pg-2", f"{LOOPBACK}:{second}", rest_two),
        ]
        with balanced(tmp_path, haproxy.to_primary([f"{LOOPBACK}:{port}"], servers)):
            eventually(lambda: {heard(port) for _ in range(4)} == {b"one"}, "one leads")
            with socket.create_connection((LOOPBACK, port), ANSWERS_S) as kept:
                assert kept.recv(64) == b"one"
                one["/primary"], two["/primary"] = 503, 200
                assert kept.recv(1) == b"", "the session with the deposed goes on"
            eventually(lambda: {heard(port) for _ in range(4)} == {b"two"}, "two leads")
            two["/primary"] = 503
            eventually(lambda: heard(port) == b"", "nobody leads, nobody is reached")


@needs_haproxy
def test_session_of_a_machine_that_is_cut_off_ends(tmp_path: Path) -> None:
    """The server notices a client that has vanished; behind HAProxy that is HAProxy."""
    network = choose(tmp_path, "namespaces")
    try:
        namespaces.create(network)
        namespaces.check(network)
        with pages({"/primary": 200}) as rest, socket.create_server((LOOPBACK, 0)) as server:
            address = f"{network.address(HOST)}:{free_port()}"
            there = Server("pg-1", f"{LOOPBACK}:{server.getsockname()[1]}", rest)
            with balanced(tmp_path, haproxy.to_primary([address], [there])):
                call = [*network.within("app-1"), sys.executable, "-c", STAYS, *address.split(":")]
                with subprocess.Popen(call) as caller, server.accept()[0] as session:
                    session.settimeout(VANISHED_S)
                    assert session.recv(5) == b"hello"
                    namespaces.plug(network, "app-1", out=True)
                    try:
                        with suppress(ConnectionResetError):
                            assert session.recv(1) == b""
                    finally:
                        caller.kill()
    except namespaces.NamespaceError as failure:
        pytest.skip(str(failure))
    finally:
        namespaces.remove(network)


@needs_haproxy
def test_broker_that_does_not_speak_is_left_out(tmp_path: Path) -> None:
    def speaks(caller: socket.socket) -> None:
        with suppress(OSError):
            if caller.recv(len(GREETING)) == GREETING:
                caller.sendall(START)

    def is_silent(caller: socket.socket) -> None:
        with suppress(OSError):
            caller.recv(len(GREETING))

    port = free_port()
    with sessions(speaks) as first, sessions(is_silent) as second:
        servers = [Server("mq-1", f"{LOOPBACK}:{first}"), Server("mq-2", f"{LOOPBACK}:{second}")]
        with balanced(tmp_path, haproxy.to_brokers([f"{LOOPBACK}:{port}"], servers)):
            eventually(
                lambda: all(heard(port, GREETING) == START for _ in range(4)),
                "every session speaks AMQP",
            )


@needs_haproxy
def test_gateway_that_is_not_ready_is_left_out_until_none_is(tmp_path: Path) -> None:
    ready, unready = {"/readyz": 200, "/healthz": 200}, {"/readyz": 503, "/healthz": 200}
    port = free_port()
    with (
        pages(ready) as watched, pages(unready) as watched_too,
        pages({"/": 200}) as first, pages({"/": 418}) as second,
    ):  # fmt: skip
        servers = [
            Server("app-1", f"{LOOPBACK}:{first}", watched),
            Server("app-2", f"{LOOPBACK}:{second}", watched_too),
        ]
        gateways = haproxy.to_gateways([f"{LOOPBACK}:{port}"], servers)

        def seen() -> set[int]:
            url = f"http://{LOOPBACK}:{port}/"
            return {requests.get(url, timeout=CLIENT_S).status_code for _ in range(4)}

        with balanced(tmp_path, *gateways):
            eventually(lambda: seen() == {200}, "the one that is ready answers")
            forged = {"X-Forwarded-For": "203.0.113.9"}
            answer = requests.get(f"http://{LOOPBACK}:{port}/", headers=forged, timeout=CLIENT_S)
            assert answer.text == LOOPBACK
            ready["/readyz"] = 503
            eventually(lambda: seen() == {200, 418}, "both answer, for themselves")


@needs_haproxy
def test_second_haproxy_takes_over_the_addresses_of_the_first(tmp_path: Path) -> None:
    port = free_port()
    with sessions(said(b"here")) as there:
        section = haproxy.onward("smtp", f"{LOOPBACK}:{port}", f"{LOOPBACK}:{there}")
        with balanced(tmp_path, section, name="balancer-2"):
            with balanced(tmp_path, section):
                assert heard(port) == b"here"
            assert all(heard(port) == b"here" for _ in range(8))

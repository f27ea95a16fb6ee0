"""HAProxy: the addresses that stay when a node does not.

Two of them run with the same configuration and the same addresses: the kernel gives each new
connection to one of those that listen (SO_REUSEPORT), and all of them to the other when one dies.
On machines of their own they would share an address by VRRP.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from deploy.embedded.install import MissingPrerequisite
from deploy.embedded.plan import Check, ProcessSpec
from deploy.embedded.surroundings import PLAIN_ENVIRONMENT
from deploy.embedded.system_user import SystemUser

_CHECK_S = 10

# A session may be idle for as long as its ends like. Neither of them sees the other vanish, since
# HAProxy acknowledges what they are sent: so it looks itself, as often as `shared.database` does.
# One of HTTP lasts a little longer than the longest wait for events.
_CONFIGURATION = """\
global
    log stdout format raw local0 notice
    maxconn 4000
    no strict-limits
    hard-stop-after 5s

defaults
    log global
    mode tcp
    option dontlognull
    option clitcpka
    clitcpka-idle 5s
    clitcpka-intvl 2s
    clitcpka-cnt 3
    option srvtcpka
    srvtcpka-idle 5s
    srvtcpka-intvl 2s
    srvtcpka-cnt 3
    option redispatch
    retries 2
    timeout connect 3s
    timeout check 2s
    timeout client 12h
    timeout server 12h
    timeout queue 3s
    default-server inter 1s fastinter 500ms downinter 500ms fall 2 rise 1 tcp-ut 10s

listen stats
    bind {stats}
    mode http
    timeout client 30s
    timeout server 30s
    http-request use-service prometheus-exporter if {{ path /metrics }}
    stats enable
    stats uri /
    stats refresh 5s
    stats show-legends
    stats show-node

{sections}"""

_SECTION = """\
{kind} {name}
{lines}
{servers}
"""

# Whoever leads says so, and nobody else may: a leader who is deposed says no, and with him end the
# sessions that would go on with him.
_PRIMARY = """\
    option httpchk
    http-check send meth OPTIONS uri /primary
    http-check expect status 200
    default-server on-marked-down shutdown-sessions"""

# A node that has paused itself, or stands still, accepts nobody; the greeting is answered by a
# frame of the method connection.start.
_SPEAKS_AMQP = """\
    balance leastconn
    option tcp-check
    tcp-check connect
    tcp-check send-binary 414d515000000901
    tcp-check expect rbinary ^01
    default-server on-marked-down shutdown-sessions"""

_MANAGEMENT = """\
    mode http
    balance first
    option http-server-close
    option httpchk
    http-check send meth GET uri /
    http-check expect status 200
    timeout client 75s
    timeout server 75s"""

# A gateway closes an idle connection: none is kept to it. A request that no gateway has got goes to
# the other one; one that may have been heard is never sent twice. When none is ready, one that
# lives says what is the matter, as a problem document.
_GATEWAYS = """\
    mode http
    balance roundrobin
    http-request set-header X-Forwarded-For %[src]
    option http-server-close
    option httpchk
    http-check send meth GET uri {page}
    http-check expect status 200
    timeout http-request 15s
    timeout http-keep-alive 15s
    timeout client 75s
    timeout server 75s
    timeout check 5s
    default-server inter 1s fall 3"""
_ANY_GATEWAY = "any_gateway"
_NONE_IS_READY = f"    use_backend {_ANY_GATEWAY} if {{ nbsrv(gateway) eq 0 }}"


@dataclass(frozen=True)
class Server:
    """Where a session may lead, "host:port"; the port that says whether it may, if another."""

    name: str
    address: str
    check_port: int | None = None


@dataclass(frozen=True)
class Section:
    """Addresses that lead to one of some servers, by rules (lines of configuration).

    Without addresses only another section leads there.
    """

    name: str
    binds: Sequence[str]
    servers: Sequence[Server]
    rules: str = ""
    checked: bool = True

    def render(self) -> str:
        bound = [f"    bind {address} tcp-ut 10s" for address in self.binds]
        return _SECTION.format(
            kind="listen" if bound else "backend",
            name=self.name,
            lines="\n".join([*bound, self.rules or "    balance roundrobin"]),
            servers="\n".join(map(self._line, self.servers)),
        )

    def _line(self, server: Server) -> str:
        words = ["    server", server.name, server.address]
        if self.checked:
            words.append("check")
            words += ["port", str(server.check_port)] if server.check_port else []
        return " ".join(words)


def to_primary(binds: Sequence[str], servers: Sequence[Server]) -> Section:
    """Return the section that leads to the PostgreSQL that leads, as Patroni's REST API has it."""
    return Section("postgresql", binds, servers, _PRIMARY)


def to_brokers(binds: Sequence[str], servers: Sequence[Server]) -> Section:
    """Return the section that leads to any RabbitMQ that speaks AMQP."""
    return Section("amqp", binds, servers, _SPEAKS_AMQP)


def to_management(binds: Sequence[str], servers: Sequence[Server]) -> Section:
    """Return the section that leads to the first management API that responds."""
    return Section("management", binds, servers, _MANAGEMENT)


def to_gateways(binds: Sequence[str], servers: Sequence[Server]) -> list[Section]:
    """Return the sections that lead to any gateway that is ready, and say who calls."""
    ready, living = (_GATEWAYS.format(page=page) for page in ("/readyz", "/healthz"))
    rules = f"{ready}\n{_NONE_IS_READY}"
    # What only a section with addresses knows.
    alone = re.sub(r"(?m)^    timeout (?:http-request|http-keep-alive|client) .*\n", "", living)
    return [Section("gateway", binds, servers, rules), Section(_ANY_GATEWAY, [], servers, alone)]


def onward(name: str, bind: str, address: str) -> Section:
    """Return the section of a way out: what belongs to others is not watched."""
    return Section(name, [bind], [Server(name, address)], checked=False)


def render(stats: str, sections: Sequence[Section]) -> str:
    """Return the configuration; `stats` is where its own page is."""
    return _CONFIGURATION.format(
        stats=stats, sections="\n".join(section.render() for section in sections)
    )


def process(
    name: str,
    stats: str,
    sections: Sequence[Section],
    folder: Path,
    program: Path,
    user: SystemUser,
) -> ProcessSpec:
    """Write a configuration, and describe the process; raises MissingPrerequisite.

    A process whose configuration has changed is started anew.
    """
    text = render(stats, sections)
    file = folder / f"{name}.cfg"
    if not file.exists() or file.read_text(encoding="ascii") != text:
        file.write_text(text, encoding="ascii")
        file.chmod(0o644)
        check(file, program)
    return ProcessSpec(
        name=name,
        argv=(*user.prefix([program, folder]), str(program), "-db", "-f", str(file)),
        environ=PLAIN_ENVIRONMENT,
        cwd="/",
        ready=Check("http", f"http://{stats}/"),
        version=sha256(text.encode()).hexdigest(),
    )


def check(file: Path, program: Path) -> None:
    """Raise MissingPrerequisite where HAProxy finds a fault in a configuration."""
    done = subprocess.run(
        [str(program), "-c", "-f", str(file)],
        env=PLAIN_ENVIRONMENT, capture_output=True, text=True, check=False, timeout=_CHECK_S,
    )  # fmt: skip
    if done.returncode != 0:
        raise MissingPrerequisite(f"{program} does not take {file}: {done.stderr.strip()[-500:]}")

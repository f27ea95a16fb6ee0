"""Machines as network namespaces: each has an interface of its own, joined by a bridge.

Nothing leads out of that network. It is gone after `remove`, and after a reboot; `create` makes
what is missing of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from deploy.cluster import packages
from deploy.cluster.network import HOST, MACHINES, Network
from deploy.embedded.install import MissingPrerequisite

_FOLDER = Path("/run/netns")
_INTERFACES = Path("/sys/class/net")
_COMMAND_S = 20
_ANSWER_S = 5
_IS_UP = 1
"""IFF_UP, among the flags of an interface."""
_OTHERS = tuple(name for name in MACHINES if name != HOST)

_LISTEN = """\
import socket, sys
with socket.create_server((sys.argv[1], 0)) as server:
    server.settimeout(float(sys.argv[2]))
    print(server.getsockname()[1], flush=True)
    server.accept()[0].sendall(b"+")
"""
_CALL = """\
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])) as caller:
    sys.exit(caller.recv(1) != b"+")
"""


class NamespaceError(Exception):
    """The machines cannot be made here; the text says why."""


def create(network: Network) -> bool:
    """Make the bridge and the machines, as far as they are missing; return whether any was.

    Raises NamespaceError.
    """
    _check_rights()
    missing = [name for name in _OTHERS if not (_FOLDER / network.namespace(name)).exists()]
    is_bridged = _exists(network.bridge)
    if not is_bridged:
        _ip("link", "add", network.bridge, "type", "bridge")
        _ip("address", "add", f"{network.address(HOST)}/24", "dev", network.bridge)
    _ip("link", "set", network.bridge, "up")
    for machine in missing:
        _add(network, machine)
    return bool(missing) or not is_bridged


def check(network: Network) -> None:
    """Raise NamespaceError unless a machine reaches another one, and the host.

    A firewall of the host may stand between them, as where bridges are filtered for containers.
    """
    first, second = _OTHERS[:2]
    for caller, listener in ((first, second), (first, HOST), (HOST, first)):
        if not _reaches(network, caller, listener):
            raise NamespaceError(f"{caller} does not reach {listener}: is there a firewall?")


def remove(network: Network) -> None:
    """Remove the machines and the bridge, as far as they are there."""
    if network.kind != "namespaces" or os.geteuid() != 0:
        return
    for machine in _OTHERS:
        if _exists(network.cable(machine)):
            # With its namespace it would go later, when the last process in there has ended.
            _ip("link", "delete", network.cable(machine))
        if (_FOLDER / network.namespace(machine)).exists():
            _ip("netns", "delete", network.namespace(machine))
    if _exists(network.bridge):
        _ip("link", "delete", network.bridge)


def plug(network: Network, machine: str, *, out: bool = False) -> None:
    """Plug a machine into the network, or out: then it reaches nobody. Raises NamespaceError."""
    if network.kind != "namespaces" or machine not in _OTHERS:
        raise NamespaceError(f"{machine} has no cable of its own")
    _ip("link", "set", network.cable(machine), "down" if out else "up")


def is_out(network: Network, machine: str) -> bool:
    """Return whether a machine is plugged out of the network."""
    if network.kind != "namespaces" or machine not in _OTHERS:
        return False
    try:
        flags = (_INTERFACES / network.cable(machine) / "flags").read_text("ascii")
    except FileNotFoundError:
        return False
    return not int(flags, 16) & _IS_UP


def _check_rights() -> None:
    if os.geteuid() != 0:
        raise NamespaceError("only root makes namespaces")
    if shutil.which("nsenter", path="/usr/bin") is None:
        raise NamespaceError("there is no nsenter: install util-linux")
    try:
        packages.debian_file("iproute2", "/sbin/ip")
    except MissingPrerequisite as missing:
        raise NamespaceError(str(missing)) from None


def _add(network: Network, machine: str) -> None:
    """Make one machine, completely or not at all."""
    namespace, cable = network.namespace(machine), network.cable(machine)
    _ip("netns", "add", namespace)
    try:
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("link", "set", cable, "master", network.bridge, "up")
        _ip("-n", namespace, "address", "add", f"{network.address(machine)}/24", "dev", "eth0")
        for interface in ("lo", "eth0"):
            _ip("-n", namespace, "link", "set", interface, "up")
    except NamespaceError:
        with suppress(NamespaceError):
            _ip("netns", "delete", namespace)
        raise


def _exists(interface: str) -> bool:
    return (_INTERFACES / interface).exists()


def _reaches(network: Network, caller: str, listener: str) -> bool:
    address, python = network.address(listener), sys.executable
    command = [*network.within(listener), python, "-c", _LISTEN, address, str(_ANSWER_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        port = server.stdout.readline().strip() if server.stdout else ""
        call = [*network.within(caller), python, "-c", _CALL, address, port or "0", str(_ANSWER_S)]
        try:
            return subprocess.run(call, timeout=2 * _ANSWER_S, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            server.kill()


def _ip(*words: str) -> None:
    command = ["ip", *words]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_COMMAND_S
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise NamespaceError(f"{' '.join(command)}: {type(failure).__name__}") from None
    if done.returncode != 0:
        raise NamespaceError(f"{' '.join(command)}: {done.stderr.strip()}")

"""Names of hosts in a process that eventlet has patched: the system resolves them, in a thread.

eventlet would bring a resolver of its own, in Python, which costs 10 MB of memory and does not know
what the system has beside DNS and the file of hosts. The system's, called in the hub, would stop
all greenlets for as long as DNS takes.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

_FUNCTIONS = ("getaddrinfo", "getnameinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr")


def resolve_in_threads(execute: Callable[..., Any], green_socket: ModuleType) -> None:
    """Let greenlets look up names while others run; to be called once, after patching.

    ``execute`` runs a function in a native thread (eventlet's tpool has it), ``green_socket`` is
    eventlet's own module of sockets.
    """
    for name in _FUNCTIONS:
        in_thread = _in_thread(getattr(socket, name), execute)
        for module in (socket, green_socket):
            setattr(module, name, in_thread)
    numeric_first = _numeric_first(socket.getaddrinfo)
    for module in (socket, green_socket):
        module.getaddrinfo = numeric_first  # type: ignore[attr-defined]


def _in_thread(resolve: Callable[..., Any], execute: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(resolve)
    def resolve_in_thread(*arguments: Any, **options: Any) -> Any:
        return execute(resolve, *arguments, **options)

    return resolve_in_thread


def _numeric_first(resolve: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that waits for no thread where there is nothing to resolve."""
    at_once = resolve.__wrapped__  # type: ignore[attr-defined]

    @wraps(resolve)
    def resolve_unless_numeric(
        host: Any,
        port: Any,
        family: int = 0,
        type: int = 0,  # noqa: A002 - as it is called in socket
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        try:
            return at_once(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        except socket.gaierror:
            return resolve(host, port, family, type, proto, flags)

    return resolve_unless_numeric

"""The references of the HTTP benchmarks: bare nameko, a request that makes one RPC, and one that
makes none.

``python -m tests.bench.echo service`` and ``python -m tests.bench.echo gateway ADDRESS`` are two
processes on the broker in SALDO_AMQP_URL, as Saldo's server and gateway are.
"""

# ruff: noqa: E402 - patching must come before the other imports
from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import json
import os
import sys
from typing import Any

from nameko.rpc import RpcProxy, rpc
from nameko.runners import ServiceRunner
from nameko.web.handlers import http

NAME = "bench_echo"
PATH, BARE = "/echo", "/bare"
_JSON = {"Content-Type": "application/json"}


class Echo:
    """Returns what it is given."""

    name = NAME

    @rpc
    def echo(self, text: str) -> dict[str, str]:
        return {"text": text}


class EchoGateway:
    """Asks the service, and answers JSON."""

    name = f"{NAME}_gateway"
    service = RpcProxy(NAME)

    @http("GET", PATH)
    def get(self, _request: Any) -> tuple[int, dict[str, str], str]:
        return 200, _JSON, json.dumps(self.service.echo("hello"))

    @http("GET", BARE)
    def bare(self, _request: Any) -> tuple[int, dict[str, str], str]:
        return 200, _JSON, json.dumps({"status": "ok"})


def main(arguments: list[str]) -> None:
    """Run one of the two processes until it is stopped."""
    config = {"AMQP_URI": os.environ["SALDO_AMQP_URL"], "max_workers": 256, "ACCEPT": ["json"]}
    if arguments[0] == "gateway":
        config["WEB_SERVER_ADDRESS"] = arguments[1]
    runner = ServiceRunner(config)
    runner.add_service(EchoGateway if arguments[0] == "gateway" else Echo)
    runner.start()
    runner.wait()


if __name__ == "__main__":
    main(sys.argv[1:])

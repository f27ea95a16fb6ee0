"""Servers patch the standard library before anything else, workers and CLIs never do.

Each case runs in an interpreter of its own, because patching cannot be undone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.config import SERVICES

REPOSITORY = Path(__file__).resolve().parents[2]

SETTINGS = {
    "SALDO_AMQP_URL": "amqp://nobody:nothing@127.0.0.1:1/",
    "SALDO_SECRET": "00" * 32,
    **{
        f"SALDO_DATABASE_URL_{service.upper()}": f"postgresql://{service}@127.0.0.1:1/nothing"
        for service in SERVICES
    },
    **{
        f"SALDO_KEYS_DATABASE_URL_{service.upper()}": f"postgresql://{service}@127.0.0.1:1/keys"
        for service in SERVICES
    },
}
"""Enough to start with; the server is stopped before it connects."""

NEVER_PATCHED = """
import json, select, socket, sys, threading, time
from importlib import import_module


def standard_library():
    return {
        f"{module.__name__}.{name}": getattr(module, name, None)
        for module, names in (
            (select, ("poll", "epoll", "select")),
            (socket, ("socket", "create_connection", "getaddrinfo")),
            (threading, ("Lock", "_start_new_thread", "_start_joinable_thread", "get_ident")),
            (time, ("sleep",)),
        )
        for name in names
    }


before = standard_library()
import services.bus_cli, services.cli, services.migrate, services.work
from services.discovery import jobs_of, publisher_of, reactions_of
from shared.config import SERVICES

parts = 0
for name in SERVICES:
    import_module(f"services.{name}.readmodel")
    publisher_of(name)
    parts += len(reactions_of(name)) + len(jobs_of(name))
now = standard_library()
json.dump({
    "loaded": sorted({"eventlet", "nameko"} & sys.modules.keys()),
    "servers": [name for name in sys.modules if name.endswith((".service", "rpc.server"))],
    "patched": [name for name in before if before[name] is not now[name]],
    "clis": [name for name in SERVICES if f"services.{name}.cli" in sys.modules],
    "parts": parts,
}, sys.stdout)
"""

PATCHED_FIRST = """
import importlib.machinery, json, os, runpy, sys

WATCHED = ("amqp", "kombu", "nameko", "psycopg", "requests", "shared")
PACKAGE, ENTRY, *sys.argv[1:] = sys.argv[1:]
ENTRY, FUNCTION = ENTRY.split(":")
early, wait_functions = [], []


def is_patched():
    patcher = sys.modules.get("eventlet.patcher")
    return bool(patcher) and all(
        patcher.is_monkey_patched(name) for name in ("os", "select", "socket", "thread", "time")
    )


def report(*_):
    import psycopg.waiting as waiting

    json.dump({
        "early": early,
        "patched": is_patched(),
        "set_when_psycopg_came": wait_functions,
        "waits_in": waiting.wait.__module__,
    }, sys.stdout)
    sys.stdout.flush()
    os._exit(0)


class Watch:
    # Sees every module before it is loaded, and replaces the function that starts the process.
    def find_spec(self, name, path=None, target=None):
        if name == "psycopg":
            wait_functions.append(os.environ.get("PSYCOPG_WAIT_FUNC"))
        if name.partition(".")[0] in WATCHED and not is_patched():
            early.append(name)
        if name != ENTRY:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def load_and_replace(module):
            load(module)
            setattr(module, FUNCTION, report)

        spec.loader.exec_module = load_and_replace
        return spec


sys.meta_path.insert(0, Watch())
runpy.run_module(PACKAGE, run_name="__main__", alter_sys=True)
"""


def run(program: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **SETTINGS},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_worker_migrator_and_clis_never_patch() -> None:
    found = run(NEVER_PATCHED)
    assert found["loaded"] == []
    assert found["servers"] == []
    assert found["patched"] == []
    with_cli = {path.parent.name for path in REPOSITORY.glob("services/*/cli.py")}
    assert set(found["clis"]) == with_cli
    assert found["parts"] > len(SERVICES), "reactions and jobs were loaded"


@pytest.mark.parametrize(
    ("package", "entry", "arguments", "waits_in"),
    [
        ("services", "services.serve:serve", ["serve", *SERVICES], "shared.green_waits"),
        ("gateway", "gateway.server:run", [], "psycopg.waiting"),
    ],
)
def test_servers_patch_before_anything_else(
    package: str, entry: str, arguments: list[str], waits_in: str
) -> None:
    found = run(PATCHED_FIRST, package, entry, *arguments)
    assert found["early"] == [], "imported before the standard library was patched"
    assert found["patched"]
    assert found["set_when_psycopg_came"] == ["wait_select"]
    assert found["waits_in"] == waits_in

"""``python -m services VERB [NAME...]``: any set of services in one process.

``serve`` answers RPC and is patched by eventlet before anything else is imported. ``work`` runs
relays, reactions and jobs in plain threads and is never patched. ``migrate`` creates the tables:
with ``--contract`` also what waits until a roll-out is over, with ``--status`` it only says what is
not done. ``broker`` makes the users of the services and the gateway at RabbitMQ; ``definitions``
prints them for a broker that imports a file. ``seal`` seals the log of the ledger, or of the book
that is named. The books of the settings are services here, too (`shared.books`).
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing it here would come before patching
    from shared.config import Settings

VERBS = ("serve", "work", "migrate", "broker", "definitions", "seal")
MIGRATE_OPTIONS = ("--contract", "--status")
USAGE = (
    f"usage: python -m services {'|'.join(VERBS)} [NAME...]\n"
    f"       python -m services migrate [{'|'.join(MIGRATE_OPTIONS)}] [NAME...]"
)


def main(arguments: list[str]) -> int:
    """Run a verb; return the exit code.

    1: a book has moved, and is to be migrated where it is now. 2: wrong arguments or settings, or
    a database that does not answer a migrator.
    """
    verb, names = (arguments[0], arguments[1:]) if arguments else ("", [])
    if verb == "serve":
        # psycopg's default wait function, in C, would block all greenlets while one waits. It is
        # chosen when psycopg is imported.
        os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"
        import warnings

        # Accepted: eventlet stays at this edge until nameko can do without it.
        warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
        # Without a resolver of its own, for which see shared.green_names, and without pyOpenSSL,
        # whose sockets nobody uses here: 14 MB of memory.
        os.environ["EVENTLET_NO_GREENDNS"] = "yes"
        sys.modules["OpenSSL"] = None  # type: ignore[assignment]
        import eventlet

        del sys.modules["OpenSSL"]
        eventlet.monkey_patch()
        from eventlet import hubs, patcher, tpool
        from eventlet.green import socket as green_socket

        from shared.green_names import resolve_in_threads
        from shared.green_waits import wait_by_hub

        resolve_in_threads(tpool.execute, green_socket)
        wait_by_hub(hubs.get_hub, eventlet.getcurrent, patcher.original("select").poll)
    option = names.pop(0) if verb == "migrate" and names and names[0] in MIGRATE_OPTIONS else ""
    if verb not in VERBS or (verb == "seal" and len(names) > 1):
        sys.stderr.write(USAGE + "\n")
        return 2
    from services.discovery import UnknownServiceError, check_names
    from shared import allocator, logs
    from shared.bus.administration import BrokerAdministrationError
    from shared.config import ConfigurationError, load_settings
    from shared.eventstore.migration_steps import MigrationError, SchemaMovedError

    allocator.return_memory()
    try:
        settings = load_settings()
        # All, where none are named; the sealer is that of the first book then.
        chosen = check_names(names, settings.books) if names or verb != "seal" else []
        process = {"serve": "server", "work": "worker", "seal": "sealer"}.get(verb, verb)
        logs.configure(process, settings.log_level)
        _run(verb + option, chosen, settings)
    except (
        BrokerAdministrationError,
        ConfigurationError,
        MigrationError,
        UnknownServiceError,
    ) as error:
        sys.stderr.write(f"{error}\n")
        return 1 if isinstance(error, SchemaMovedError) else 2
    return 0


def _run(verb: str, names: list[str], settings: Settings) -> None:
    if verb == "serve":
        from services.serve import serve

        serve(names, settings)
    elif verb == "work":
        from services.work import work

        work(names, settings)
    elif verb == "seal":
        from services.seal import seal

        seal(settings, names)
    elif verb == "broker":
        from services.broker import prepare_broker

        prepare_broker(names, settings)
    elif verb == "definitions":
        from services.broker import broker_definitions

        json.dump(broker_definitions(names, settings), sys.stdout, indent=2)
    elif verb == "migrate--status":
        from services.migrate import show_status

        show_status(names, settings)
    else:
        from services.migrate import migrate_all

        migrate_all(names, settings, contract=verb == "migrate--contract")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

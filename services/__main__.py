"""``python -m services serve|work|migrate|seal [NAME...]``: any set of services in one process.

``serve`` answers RPC and is patched by eventlet before anything else is imported. ``work`` runs
relays, reactions and jobs in plain threads and is never patched. ``migrate`` creates the tables,
``seal`` seals the log of the ledger.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing it here would come before patching
    from shared.config import Settings

PROCESSES = {"serve": "server", "work": "worker", "migrate": "migrate", "seal": "sealer"}
"""The verbs, and what their processes are called in logs."""

USAGE = "usage: python -m services serve|work|migrate [NAME...], or python -m services seal"


def main(arguments: list[str]) -> int:
    """Run a verb; return the exit code (2: wrong arguments or settings)."""
    verb, names = (arguments[0], arguments[1:]) if arguments else ("", [])
    if verb == "serve":
        # psycopg's default wait function, in C, would block all greenlets while one waits. It is
        # chosen when psycopg is imported.
        os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"
        import warnings

        # Accepted: eventlet stays at this edge until nameko can do without it.
        warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
        import eventlet

        eventlet.monkey_patch()
    if verb not in PROCESSES or (verb == "seal" and names):
        sys.stderr.write(USAGE + "\n")
        return 2
    from services.discovery import UnknownServiceError, check_names
    from shared import logs
    from shared.config import ConfigurationError, load_settings

    try:
        settings = load_settings()
        chosen = check_names(names)
        logs.configure(PROCESSES[verb], settings.log_level)
        _run(verb, chosen, settings)
    except (ConfigurationError, UnknownServiceError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
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

        seal(settings)
    else:
        from services.migrate import migrate_all

        migrate_all(names, settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

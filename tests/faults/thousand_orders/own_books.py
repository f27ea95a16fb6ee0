"""What our own verbs say of the same orders: `saldo payments reconcile`, `saldo ledger audit`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import date

from deploy.demo.reconciliation import audit, parked_messages
from deploy.embedded.surroundings import REPOSITORY

AGREED, DIFFERED = 0, 1


def own_findings(environment: Mapping[str, str], day: date) -> Iterator[str]:
    """Return what our verbs find of a day; the environment of the process is the installation's."""
    yield from parked_messages(environment["SALDO_DATABASE_URL"])
    yield from audit()
    command = [sys.executable, "-m", "services.cli", "payments", "reconcile", "--json", "--day"]
    run = subprocess.run(
        [*command, day.isoformat()], cwd=REPOSITORY, check=False, capture_output=True, text=True
    )
    if run.returncode not in {AGREED, DIFFERED}:
        yield f"reconcile ended with exit code {run.returncode}: {run.stderr[-300:]}"
    elif run.returncode == DIFFERED:
        for finding in json.loads(run.stdout)["findings"]:
            yield f"reconcile: {json.dumps(finding, ensure_ascii=False)[:300]}"

"""What the product itself says of its books, by staff commands; each starts a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from deploy.embedded.surroundings import REPOSITORY
from tests.faults.checker import balances, seal
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.findings import Finding

COMMAND_S = 300
CLEAN, DIFFERENT = 0, 1
_SAMPLE = 400


def audit(evidence: Evidence) -> Iterator[Finding]:
    """Run `saldo ledger audit` and return its findings."""
    run = _ledger(evidence, "audit")
    if run.returncode not in {CLEAN, DIFFERENT}:
        code = f"exit code {run.returncode}"
        yield Finding(balances.INVARIANT, "audit", code, run.stderr[-_SAMPLE:])
        return
    for one in (one for report in _reports(run.stdout) for one in report["differences"]):
        about = f"{one['account'] or 'log'} {one['what']}"
        sentence = f"{one['replayed']} by replay, {one['found']} found"
        yield Finding(balances.INVARIANT, "audit", about, sentence)


def verify(evidence: Evidence) -> Iterator[Finding]:
    """Run `saldo ledger verify` and return its findings."""
    run = _ledger(evidence, "verify")
    if run.returncode != CLEAN:
        try:
            found = [one for report in _reports(run.stdout) for one in report["findings"]]
            said = json.dumps(found, ensure_ascii=False)
        except (ValueError, KeyError):
            said = run.stdout[-_SAMPLE:] + run.stderr[-_SAMPLE:]
        yield Finding(seal.INVARIANT, "verify", f"exit code {run.returncode}", said[:_SAMPLE])


def _reports(written: str) -> list[dict[str, Any]]:
    """Return the report of each book; of a single one it is printed by itself."""
    found = json.loads(written)
    return [one["result"] or {} for one in found] if isinstance(found, list) else [found]


def _ledger(evidence: Evidence, verb: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "ledger", verb, "--json"],
        cwd=REPOSITORY,
        env={**os.environ, **evidence.environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
    )

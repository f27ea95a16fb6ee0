"""The ledger's periodic jobs: announcing checkpoints, accruing penalties by the schedule.

Sealing is the sealer's, a process apart.
"""

from __future__ import annotations

from services.ledger.scheduled_accrual import accrue_when_due
from services.ledger.seal.announcing import announce_checkpoint
from shared.bus import Job

JOBS = [
    Job("announce_checkpoint", every=5.0, run=announce_checkpoint),
    Job("accrue_when_due", every=60.0, run=accrue_when_due),
]

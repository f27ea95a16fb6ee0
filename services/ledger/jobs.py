"""The ledger's periodic jobs: checkpoints are announced and thinned, commands digested and deleted.

Penalties are accrued by the schedule. Sealing is the sealer's, a process apart.
"""

from __future__ import annotations

from services.ledger.command_digests import digest_commands, expire_commands
from services.ledger.scheduled_accrual import accrue_when_due
from services.ledger.seal.announcing import announce_checkpoint
from services.ledger.seal.thinning import thin_checkpoints
from shared.bus import Job

JOBS = [
    Job("announce_checkpoint", every=5.0, run=announce_checkpoint),
    Job("accrue_when_due", every=60.0, run=accrue_when_due),
    Job("digest_commands", every=60.0, run=digest_commands),
    Job("expire_commands", every=3_600.0, run=expire_commands),
    Job("thin_checkpoints", every=3_600.0, run=thin_checkpoints),
]

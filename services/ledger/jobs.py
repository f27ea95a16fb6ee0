"""The ledger's periodic jobs: announcing checkpoints. Sealing is the sealer's, a process apart."""

from __future__ import annotations

from services.ledger.seal.announcing import announce_checkpoint
from shared.bus import Job

JOBS = [Job("announce_checkpoint", every=5.0, run=announce_checkpoint)]

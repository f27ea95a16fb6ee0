"""The ledger's periodic jobs: sealing its log."""

from __future__ import annotations

from services.ledger.seal.sealer import seal
from shared.bus import Job

JOBS = [Job("seal", every=15.0, run=seal)]

"""The sealer process: it alone signs the ledger's log. Never patched, and not on the bus."""

from __future__ import annotations

from services.ledger.seal.process import SealingTasks
from shared.bus.worker import Worker
from shared.config import Settings
from shared.logs import get_logger
from shared.monitoring import OK, UNAVAILABLE, Monitoring

log = get_logger(__name__)


def seal(settings: Settings) -> None:
    """Run the sealer until SIGTERM or SIGINT.

    Raises ConfigurationError when its key, its login or the address for monitoring cannot be used.
    """
    worker = Worker()
    tasks = SealingTasks(settings, worker.stop)
    monitoring = Monitoring(settings.monitoring_listen)
    worker.start("ledger seal", tasks.seal)
    worker.start("ledger witnesses", tasks.publish)
    monitoring.report(lambda: {"ledger": OK if tasks.is_ready() else UNAVAILABLE})
    worker.wait()
    monitoring.close()

"""The sealer process: it alone signs the log of the ledger, or of one book of it.

Never patched, and not on the bus.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.ledger.seal.process import SealingTasks
from shared.books import SPLIT
from shared.bus.worker import Worker
from shared.config import ConfigurationError, Settings
from shared.logs import get_logger
from shared.monitoring import OK, UNAVAILABLE, Monitoring

log = get_logger(__name__)


def seal(settings: Settings, names: Sequence[str] = ()) -> None:
    """Run the sealer of the ledger, or of the book named, until SIGTERM or SIGINT.

    Raises ConfigurationError when its key, its login or the address for monitoring cannot be used.
    """
    worker = Worker()
    of = next(iter(names), SPLIT)
    if of not in (SPLIT, *settings.books):
        raise ConfigurationError(f"{of} has no seal: name {SPLIT}, or one of its books")
    tasks = SealingTasks(settings, worker.stop, log=of)
    monitoring = Monitoring(settings.monitoring_listen)
    worker.start(f"{of} seal", tasks.seal)
    worker.start(f"{of} witnesses", tasks.publish)
    monitoring.report(lambda: {of: OK if tasks.is_ready() else UNAVAILABLE})
    worker.wait()
    monitoring.close()

"""The watchdog restarts the supervisor when it is gone."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from deploy.embedded.daemon import Daemon
from deploy.embedded.process import POLL_SECONDS
from deploy.embedded.state import StateDir


def main(root: str) -> None:
    state = StateDir(Path(root))
    supervisor = Daemon(state, "supervisor")
    with Daemon(state, "watchdog").hold() as ours:
        while ours and state.enabled.exists():
            supervisor.ensure()
            time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1])

"""The guard starts the supervisor again when it is gone."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from deploy.embedded.process import POLL_SECONDS
from deploy.embedded.state import StateDir
from deploy.embedded.watch import Watcher


def main(root: str) -> None:
    state = StateDir(Path(root))
    supervisor = Watcher(state, "supervisor")
    with Watcher(state, "guard").hold() as ours:
        while ours and state.wanted.exists():
            supervisor.ensure()
            time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1])

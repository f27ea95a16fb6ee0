"""What the status of a cluster says of the processes of a machine."""

from __future__ import annotations

from deploy.cluster.console import _running
from deploy.embedded.plan import ProcessState


def test_process_that_waits_for_a_database_is_not_called_down() -> None:
    ready, starting = (
        ProcessState(state="ready", pid=1),
        ProcessState(state="starting", pid=2),
    )
    gone = ProcessState(state="down")
    assert _running({"gateway": ready, "work": starting}) == "gateway, work (not ready)"
    assert _running({"gateway": gone, "work": starting}) == "work (not ready)"
    assert _running({"gateway": gone}) == "down"
    assert _running({}) == "down"

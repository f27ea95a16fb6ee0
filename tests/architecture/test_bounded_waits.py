"""Every wait has a limit, or a reason why it needs none."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("shared", "services", "gateway")
WAITING = {"wait", "join", "acquire", "get", "result", "recv", "communicate"}
"""Methods that wait for ever when they are called without an argument."""

UNTIL_STOPPED = "the main thread of a process waits for its end"
BOUNDED_INSIDE = "what it waits for has limits of its own: database, RPC"
NO_WAIT = "it does not wait"
REASONS = {
    "gateway/cabinet/asked_once.py: answer.wait()": BOUNDED_INSIDE,
    "gateway/cabinet/visit.py: self.unread.wait()": BOUNDED_INSIDE,
    "gateway/concurrently.py: thread.wait()": BOUNDED_INSIDE,
    "gateway/server.py: runner.wait()": UNTIL_STOPPED,
    "gateway/web.py: done.wait()": BOUNDED_INSIDE,
    "gateway/web.py: self._room.acquire()": "who accepts connections waits until one has ended",
    "services/accounts/contract_import.py: working.result()": BOUNDED_INSIDE,
    "services/chosen_book.py: _chosen.get()": NO_WAIT,
    "services/language.py: _chosen.get()": NO_WAIT,
    "services/ledger/importing/run.py: self._pacing.wait()": BOUNDED_INSIDE,
    "services/ledger/importing/run.py: writing.result()": BOUNDED_INSIDE,
    "services/ledger/penalties/accrual_run.py: pacing.wait()": BOUNDED_INSIDE,
    "services/ledger/penalties/payment_matching.py: matcher.result()": NO_WAIT,
    "services/ledger/replay/parallel.py: pipe.recv()": "a pipe ends with the process behind it",
    "services/payments/lost_events.py: one.result()": BOUNDED_INSIDE,
    "services/printed_json.py: _kept.get()": NO_WAIT,
    "services/seal.py: worker.wait()": UNTIL_STOPPED,
    "services/serve.py: runner.wait()": UNTIL_STOPPED,
    "services/work.py: worker.wait()": UNTIL_STOPPED,
    "shared/bus/worker.py: self.join()": NO_WAIT,
    "shared/context.py: _current.get()": NO_WAIT,
    "shared/database.py: _begin.get()": NO_WAIT,
    "shared/eventstore/batch_decision.py: self.wakeup.acquire()": NO_WAIT,
    "shared/eventstore/group_commit.py: mine.wakeup.acquire()": BOUNDED_INSIDE,
    "shared/eventstore/subscription.py: self._listen_thread.join()": BOUNDED_INSIDE,
    "shared/otlp.py: _next_span_id.get()": NO_WAIT,
    "shared/rpc/books.py: thread.join()": BOUNDED_INSIDE,
}
"""Why a call of this module may go without a limit."""


def unbounded(path: Path) -> Iterator[str]:
    """Yield the calls of a module that may wait for ever."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        given = {word.arg: word.value for word in node.keywords}
        limit = given.get("timeout")
        if (isinstance(limit, ast.Constant) and limit.value is None) or (
            isinstance(node.func, ast.Attribute)
            and node.func.attr in WAITING
            and not node.args
            and not given
        ):
            yield ast.unparse(node)


def found() -> set[str]:
    return {
        f"{path.relative_to(REPOSITORY)}: {call}"
        for folder in FOLDERS
        for path in (REPOSITORY / folder).rglob("*.py")
        for call in unbounded(path)
    }


def test_every_wait_has_a_limit_or_a_reason() -> None:
    assert found() == set(REASONS)

"""Full replay in Python beside the aggregation of the same log in SQL."""

from __future__ import annotations

from collections.abc import Callable

from services.ledger.aggregation import aggregate
from services.ledger.replay import replay_all
from shared.eventstore.recorder import Cause
from shared.ids import new_id
from tests.bench.company import Bench, history
from tests.bench.measure import Result, compare, seconds

ACCOUNTS = 5_000
MONTHS = 6


def replay(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Rebuild every balance twice, and make sure that both agree."""
    bench.reset()
    for rows in history(ACCOUNTS, MONTHS):
        with bench.store.session(Cause(new_id(), "staff:bench", "bench")) as session:
            session.copy_events(rows)
    with bench.as_owner() as owner:
        owner.execute("VACUUM ANALYZE events")
    count = bench.store.recorder.max_notification_id() or 0
    answers: dict[str, dict[object, int]] = {}

    def in_python() -> None:
        accounts = bench.store.query(lambda session: replay_all(session.cursor, bench.store.events))
        answers["python"] = {id_: account.principal for id_, account in accounts.items()}

    def in_sql() -> None:
        rows = bench.store.query(lambda session: aggregate(session.cursor))
        answers["sql"] = {id_: row["principal"] for id_, row in rows.items()}

    result = compare(
        "full replay (Python, one core)",
        "events/s",
        count,
        lambda: seconds(in_python),
        "SQL aggregation of the same log",
        lambda: seconds(in_sql),
        wanted=1.0,
        progress=progress,
    )
    if answers["python"] != answers["sql"] or len(answers["sql"]) != ACCOUNTS:
        raise RuntimeError("the replay and the aggregation disagree: the figures mean nothing")
    return result

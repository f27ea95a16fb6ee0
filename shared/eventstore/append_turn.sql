-- migrate: expand
-- The turn to append to the log, and the end of the log: one statement whose plans are kept, in
-- place of two that would be parsed and planned each time (shared/eventstore/append_lock.py).

-- The end is looked up by a statement of its own, so it has what was committed before the lock was
-- taken; and by its index: a plan made while the log is a page long is kept while it grows. The
-- limits hold to the end of the transaction. The notification is sent with the commit, unless the
-- relay is awake and looks for itself.
DO $do$ BEGIN EXECUTE format($format$
    CREATE FUNCTION append_turn(idle text, whole text, OUT "position" bigint,
                                OUT recorded_at timestamptz, OUT clock timestamptz)
        LANGUAGE plpgsql SET enable_seqscan = off AS $$
    DECLARE
        asked text := nullif(pg_catalog.current_setting('saldo.holds_log', true), '');
    BEGIN
        PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%2$L, 0)),
                pg_catalog.set_config('idle_in_transaction_session_timeout',
                                      coalesce(asked, idle), true);
        IF whole IS NOT NULL THEN
            PERFORM pg_catalog.set_config('transaction_timeout', coalesce(asked, whole), true);
        END IF;
        SELECT e.notification_id, e.recorded_at INTO "position", recorded_at
          FROM %1$I.events AS e ORDER BY e.notification_id DESC LIMIT 1;
        clock := pg_catalog.clock_timestamp();
        "position" := coalesce("position", 0);
        recorded_at := greatest(clock, recorded_at);
        IF pg_catalog.pg_try_advisory_xact_lock_shared(pg_catalog.hashtextextended(%3$L, 0)) THEN
            PERFORM pg_catalog.pg_notify(%4$L, '');
        END IF;
    END $$
$format$, current_schema(), current_schema() || '.events', current_schema() || '.awake',
          'saldo_' || current_schema()); END $do$;

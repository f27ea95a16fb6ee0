-- Base tables of every service: the epochs of its log, the server that it was last known to be
-- complete on, and the terms of those who lead. Run by the migrator as the owner.

CREATE TABLE epochs (
    number         integer     PRIMARY KEY CHECK (number > 0),
    name           text        NOT NULL UNIQUE CHECK (name ~ '^[1-9][0-9]*([.][0-9a-f]{8})?$'),
    after_position bigint      NOT NULL CHECK (after_position >= 0),
    began_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason         text        NOT NULL CHECK (reason <> ''),
    server         text        NOT NULL
);
COMMENT ON TABLE epochs IS 'The epochs of the log: one begins where events after its position may have been lost.';
-- Messages of before the upgrade name no epoch, which means 1. A log that has sent none gets a name
-- that no other log has.
INSERT INTO epochs (number, name, after_position, reason, server)
SELECT 1, CASE WHEN EXISTS (SELECT FROM events) THEN '1'
               ELSE '1.' || left(gen_random_uuid()::text, 8) END, 0, 'first', '';
CREATE TRIGGER epochs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON epochs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE log_run (
    only_row     boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    server       text        NOT NULL,
    log          text        NOT NULL,
    started_at   timestamptz NOT NULL,
    confirmed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN log_run.log IS 'The oids of the database and of its table of events.';
COMMENT ON TABLE log_run IS 'The run of the server for which the relay has compared the log with the bus.';

CREATE TABLE log_starts (
    started_at     timestamptz NOT NULL,
    log            text        NOT NULL,
    after_position bigint      NOT NULL,
    PRIMARY KEY (started_at, log)
);
COMMENT ON TABLE log_starts IS 'The end of the log when a run of the server began to append to it, until the relay has compared.';

-- Commands do not wait for the relay. What they append before it has compared is of the next epoch,
-- so the end of the log before the first of them is kept.
DO $do$ BEGIN EXECUTE format($format$
    CREATE FUNCTION note_log_start() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        run timestamptz := pg_postmaster_start_time();
        this text := (SELECT oid FROM pg_database WHERE datname = current_database())
                     || '/' || TG_RELID;
    BEGIN
        IF NOT EXISTS (SELECT FROM %1$I.log_run AS r WHERE r.started_at = run AND r.log = this)
           AND NOT EXISTS (SELECT FROM %1$I.log_starts AS s
                            WHERE s.started_at = run AND s.log = this)
        THEN
            INSERT INTO %1$I.log_starts (started_at, log, after_position)
            SELECT run, this, coalesce(max(notification_id), 0) FROM %1$I.events;
        END IF;
        RETURN NULL;
    END $$
$format$, current_schema()); END $do$;
CREATE TRIGGER events_note_log_start BEFORE INSERT ON events
    FOR EACH STATEMENT EXECUTE FUNCTION note_log_start();

CREATE TABLE leaders (
    task text   PRIMARY KEY,
    term bigint NOT NULL CHECK (term > 0)
);
COMMENT ON TABLE leaders IS 'Who leads: the term rises with each lock taken, and writes of an earlier term find no row.';

-- migrate: expand
-- Refusals of commands, kept while a repetition of the same call may still be under way: it is refused
-- as the first was, whatever has changed since (shared/eventstore/refusals.py). Run by the migrator as
-- the owner.

CREATE TABLE refusals (
    command_id  uuid        NOT NULL,
    fingerprint bytea       NOT NULL,
    refusal     bytea       NOT NULL,
    refused_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (command_id, fingerprint)
);
CREATE INDEX refusals_by_time ON refusals (refused_at);
COMMENT ON TABLE refusals IS 'What callers were refused with: calls of the same command that were asked for before are refused, too. Old rows go with new ones.';

-- Called last in the transaction of a command. Whoever refuses the same command keeps that first, and
-- then waits for this lock: so one of the two sees the other.
DO $do$ BEGIN EXECUTE format($format$
    CREATE FUNCTION check_not_refused(command uuid, content bytea, since timestamptz)
        RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_catalog.pg_advisory_xact_lock_shared(
            pg_catalog.hashtextextended(%2$L || command::text, 0));
        IF EXISTS (SELECT FROM %1$I.refusals AS r
                    WHERE r.command_id = command AND r.fingerprint = content
                      AND r.refused_at > since) THEN
            RAISE EXCEPTION 'this command has been refused meanwhile'
                USING ERRCODE = 'serialization_failure';
        END IF;
    END $$
$format$, current_schema(), current_schema() || '.command.'); END $do$;

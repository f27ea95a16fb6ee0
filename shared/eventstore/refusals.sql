-- migrate: expand
-- Refusals of commands, kept while a repetition of the same call may still be under way: it is refused
-- as the first was, whatever has changed since (shared/eventstore/refusals.py). Run by the migrator as
-- the owner.

CREATE TABLE refusals (
    command_id  uuid        NOT NULL,
    fingerprint bytea       NOT NULL,
    refusal     jsonb       NOT NULL,
    refused_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (command_id, fingerprint)
);
CREATE INDEX refusals_by_time ON refusals (refused_at);
COMMENT ON TABLE refusals IS 'What callers were refused with, for a minute: calls of the same command that were made before are refused too.';

-- Called last in the transaction of a command, when its id is taken in `commands`: whoever refuses the
-- same command keeps that first, and then waits for the id. So one of the two sees the other.
DO $do$ BEGIN EXECUTE format($format$
    CREATE FUNCTION check_not_refused(command uuid, content bytea, asked double precision)
        RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM %1$I.refusals AS r
                    WHERE r.command_id = command AND r.fingerprint = content
                      AND r.refused_at > pg_catalog.to_timestamp(asked)) THEN
            RAISE EXCEPTION 'this command has been refused meanwhile'
                USING ERRCODE = 'serialization_failure';
        END IF;
    END $$
$format$, current_schema()); END $do$;

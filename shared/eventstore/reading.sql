-- How far a service has read its upstreams, and what it could not take from them. Run by the migrator as the owner.

ALTER TABLE positions
    ADD COLUMN epoch   text NOT NULL DEFAULT '',
    ADD COLUMN stopped text NOT NULL DEFAULT '';
COMMENT ON COLUMN positions.epoch IS 'The epoch of the last event that has taken effect; empty: the first one.';
COMMENT ON COLUMN positions.stopped IS 'Why nothing more is read: the last event is not in the log of the upstream. Empty: it is read.';

CREATE TABLE quarantine (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    upstream       text        NOT NULL,
    epoch          text        NOT NULL,
    position       bigint,
    subject        text        NOT NULL,
    type           text        NOT NULL,
    headers        jsonb       NOT NULL,
    body           bytea       NOT NULL,
    digest         bytea       NOT NULL,
    reason         text        NOT NULL,
    quarantined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (upstream, digest)
);
COMMENT ON TABLE quarantine IS 'Messages that are not in the log of their upstream, or arrived damaged. They never take effect.';

CREATE TABLE reading_attempts (
    upstream text        PRIMARY KEY,
    epoch    text        NOT NULL,
    position bigint      NOT NULL,
    attempts integer     NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE reading_attempts IS 'The event that a reader handles alone, and how many processes have begun that and not ended it.';

ALTER TABLE parked
    ADD COLUMN waits_until timestamptz,
    ADD COLUMN next_try    timestamptz,
    ADD COLUMN begun       integer NOT NULL DEFAULT 0;
CREATE INDEX parked_waiting ON parked (next_try) WHERE waits_until IS NOT NULL;
COMMENT ON COLUMN parked.waits_until IS 'Until when the worker retries the message by itself, because what it needs has not arrived; NULL: staff decide.';
COMMENT ON COLUMN parked.begun IS 'How many retries have begun, and have not ended as far as is known.';

-- The tables that every service has in its schema. Run by the migrator as the owner.

CREATE TABLE events (
    originator_id      uuid        NOT NULL,
    originator_version bigint      NOT NULL CHECK (originator_version > 0),
    topic              text        NOT NULL,
    state              bytea       NOT NULL,
    notification_id    bigint      NOT NULL CHECK (notification_id > 0),
    recorded_at        timestamptz NOT NULL,
    command_id         uuid        NOT NULL,
    actor              text        NOT NULL,
    correlation_id     text        NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
);
CREATE UNIQUE INDEX events_notification_id ON events (notification_id);
COMMENT ON TABLE events IS 'The log. notification_id is the position: from 1, without gaps, in the order of commit.';

-- The runtime role has no right to change an event; these triggers also stop the owner.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only: record a compensating event instead', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE commands (
    command_id     uuid        PRIMARY KEY,
    fingerprint    bytea       NOT NULL,
    result         bytea       NOT NULL,
    first_position bigint,
    last_position  bigint,
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE commands IS 'The result of each command, returned again when the command is repeated.';
CREATE TRIGGER commands_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON commands
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE relay (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position  bigint  NOT NULL DEFAULT 0,
    published bigint  NOT NULL DEFAULT 0
);
INSERT INTO relay DEFAULT VALUES;
COMMENT ON TABLE relay IS 'The position up to which the log was read for publishing, and that of the last published event.';

CREATE TABLE positions (
    upstream   text        PRIMARY KEY,
    position   bigint      NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE positions IS 'The last event of each upstream service that has taken effect in these tables.';

CREATE TABLE parked (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    upstream   text        NOT NULL,
    position   bigint,
    subject    text        NOT NULL,
    type       text        NOT NULL,
    headers    jsonb       NOT NULL,
    body       bytea       NOT NULL,
    reason     text        NOT NULL,
    error_id   text        NOT NULL,
    attempts   integer     NOT NULL,
    parked_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX parked_subject ON parked (upstream, subject);
COMMENT ON TABLE parked IS 'Messages whose reaction failed for good; later ones of the same subject are parked behind them.';

CREATE TABLE data_keys (
    subject    uuid        PRIMARY KEY,
    wrapped    bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE data_keys IS 'Wrapped keys of personal data; deleting a row makes the data of its subject unreadable.';

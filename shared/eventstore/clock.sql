-- Where the times of the log step back: the clock had been ahead until there. Run by the migrator as
-- the owner.

CREATE TABLE clock_steps (
    position    bigint      PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    before      timestamptz NOT NULL CHECK (before > recorded_at)
);
COMMENT ON TABLE clock_steps IS 'Positions whose time is before that of the last one: all events before were recorded by recorded_at, whatever their own times say.';
CREATE TRIGGER clock_steps_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON clock_steps
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The months that staff have closed. All months up to the last one named here are closed.

CREATE TABLE closings (
    period    text        PRIMARY KEY CHECK (period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    actor     text        NOT NULL,
    reason    text        NOT NULL,
    closed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE closings IS 'Months that are closed: no import and no correction takes effect in one any more.';
CREATE TRIGGER closings_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON closings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

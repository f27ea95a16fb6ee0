-- Base tables of every service, added after live.sql: what staff may do in this service, and which
-- login of the database wrote an event or a command.

CREATE TABLE staff_grants (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text        NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{0,31}$'),
    permission text        NOT NULL CHECK (permission ~ '^[a-z][a-z-]{0,31}$'),
    up_to      bigint      CHECK (up_to >= 0),
    granted    boolean     NOT NULL,
    reason     text        NOT NULL CHECK (reason <> ''),
    by         text        NOT NULL DEFAULT session_user,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT nobody_grants_himself CHECK (by <> 'staff.' || name)
);
CREATE INDEX staff_grants_newest ON staff_grants (name, permission, id DESC);
COMMENT ON TABLE staff_grants IS 'What staff may do: the newest row of a name and a permission holds. Services only read it.';
COMMENT ON COLUMN staff_grants.up_to IS 'The most that somebody moves by it, in kopecks; NULL: no limit.';
COMMENT ON COLUMN staff_grants.by IS 'The login of whoever granted it, written by the database.';
CREATE TRIGGER staff_grants_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON staff_grants
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Nobody but the database writes these columns: no role has the right to insert into them. The
-- migrator sets their defaults, which name the runtime role.
ALTER TABLE events ADD COLUMN recorded_by text NOT NULL DEFAULT '';
ALTER TABLE commands ADD COLUMN recorded_by text NOT NULL DEFAULT '';
COMMENT ON COLUMN events.recorded_by IS 'The login that took the rights of the service; empty: the service itself.';
COMMENT ON COLUMN commands.recorded_by IS 'The login that took the rights of the service; empty: the service itself.';
-- All rows from before hold the empty text: checking them would read the whole log.
ALTER TABLE events ADD CONSTRAINT actor_is_the_login CHECK (
    recorded_by = '' OR actor = 'staff:' || regexp_replace(recorded_by, '^staff[.]', '')
) NOT VALID;

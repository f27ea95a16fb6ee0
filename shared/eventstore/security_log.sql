-- Base table of every service, added after first_version.sql: who saw personal data, and what happened
-- to the access of a person. No personal data is in it: a person is an id.

CREATE TABLE security_log (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at             timestamptz NOT NULL,
    actor          text        NOT NULL,
    action         text        NOT NULL CHECK (action ~ '^[a-z][a-z_]{0,47}$'),
    person_id      uuid,
    about          text        NOT NULL CHECK (length(about) <= 200),
    reason         text        NOT NULL,
    correlation_id text        NOT NULL,
    recorded_by    text        NOT NULL DEFAULT '',
    CONSTRAINT actor_is_the_login CHECK (
        recorded_by = '' OR actor = 'staff:' || regexp_replace(recorded_by, '^staff[.]', '')
    )
);
CREATE INDEX security_log_of_person ON security_log (person_id, id DESC) WHERE person_id IS NOT NULL;
CREATE INDEX security_log_of_actor ON security_log (actor, id DESC);
CREATE INDEX security_log_by_age ON security_log (at);
COMMENT ON TABLE security_log IS 'Who saw or changed what of whom, when and why; only sweep_security_log deletes, and nothing younger than 180 days.';
COMMENT ON COLUMN security_log.recorded_by IS 'The login that took the rights of the service; empty: the service itself.';
CREATE TRIGGER security_log_append_only BEFORE UPDATE OR TRUNCATE ON security_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_forgetting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.at > clock_timestamp() - interval '180 days' THEN
        RAISE EXCEPTION 'table % keeps what is younger than 180 days', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER security_log_is_kept BEFORE DELETE ON security_log
    FOR EACH ROW EXECUTE FUNCTION refuse_forgetting();

-- The runtime role has no right to delete a row: it calls this with what the retention says.
CREATE FUNCTION sweep_security_log(before timestamptz, most integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    swept integer;
BEGIN
    DELETE FROM security_log WHERE id IN (
        SELECT id FROM security_log WHERE at < before ORDER BY at LIMIT most
    );
    GET DIAGNOSTICS swept = ROW_COUNT;
    RETURN swept;
END $$;
REVOKE ALL ON FUNCTION sweep_security_log FROM PUBLIC;

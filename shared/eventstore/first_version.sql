-- A stream begins with version 1, or with version 0, as the eventsourcing library allows; what has
-- begun with 1 gets no 0 any more. Run by the migrator as the owner.

-- Every row fulfilled the stricter rule: checking them again would read the whole log.
ALTER TABLE events
    DROP CONSTRAINT events_originator_version_check,
    ADD CONSTRAINT events_version_not_negative CHECK (originator_version >= 0) NOT VALID;

-- By row, so that rows of other versions cost nothing but the condition.
DO $do$ BEGIN EXECUTE format($format$
    CREATE FUNCTION refuse_late_beginning() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp
        SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    BEGIN
        IF EXISTS (SELECT FROM %1$I.events AS e WHERE e.originator_id = NEW.originator_id
                      AND e.originator_version = 1 AND e.notification_id < NEW.notification_id)
        THEN
            RAISE EXCEPTION 'version 0 of stream %% comes after version 1', NEW.originator_id
                USING ERRCODE = 'foreign_key_violation', SCHEMA = %1$L, TABLE = 'events',
                      CONSTRAINT = 'events_begin_once';
        END IF;
        RETURN NULL;
    END $$
$format$, current_schema()); END $do$;
CREATE TRIGGER events_begin_once AFTER INSERT ON events FOR EACH ROW
    WHEN (NEW.originator_version = 0) EXECUTE FUNCTION refuse_late_beginning();

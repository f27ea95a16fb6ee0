-- A stream has no holes, whoever writes it. Run by the migrator as the owner.

-- One look-up by index a row, once a statement: plans are kept for a session, in which the log grows.
-- The schema is named, so that no temporary table stands for the log.
DO $do$ BEGIN EXECUTE format($format$
    CREATE FUNCTION refuse_hole() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp
        SET enable_hashjoin = off SET enable_mergejoin = off
        SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    DECLARE hole record;
    BEGIN
        SELECT a.originator_id AS stream, a.originator_version AS version INTO hole
          FROM appended AS a
         WHERE a.originator_version > 1 AND NOT EXISTS (
               SELECT FROM %1$I.events AS e WHERE e.originator_id = a.originator_id
                  AND e.originator_version = a.originator_version - 1)
         LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'version %% of stream %% has no predecessor', hole.version, hole.stream
                USING ERRCODE = 'foreign_key_violation', SCHEMA = %1$L, TABLE = 'events',
                      CONSTRAINT = 'events_without_holes';
        END IF;
        RETURN NULL;
    END $$
$format$, current_schema()); END $do$;
CREATE TRIGGER events_without_holes AFTER INSERT ON events
    REFERENCING NEW TABLE AS appended FOR EACH STATEMENT EXECUTE FUNCTION refuse_hole();

-- A stream begins with version 1, or with version 0, as the eventsourcing library allows; what has
-- begun with 1 gets no 0 any more. Run by the migrator as the owner.

-- Every row fulfilled the stricter rule: checking them again would read the whole log.
ALTER TABLE events
    DROP CONSTRAINT events_originator_version_check,
    ADD CONSTRAINT events_version_not_negative CHECK (originator_version >= 0) NOT VALID;

-- As in succession.sql, with the second half of the query.
DO $do$ BEGIN EXECUTE format($format$
    CREATE OR REPLACE FUNCTION refuse_hole() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp
        SET enable_hashjoin = off SET enable_mergejoin = off
        SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    DECLARE refused record;
    BEGIN
        SELECT a.originator_id AS stream, a.originator_version AS version,
               'has no predecessor' AS reason INTO refused
          FROM appended AS a
         WHERE a.originator_version > 1 AND NOT EXISTS (
               SELECT FROM %1$I.events AS e WHERE e.originator_id = a.originator_id
                  AND e.originator_version = a.originator_version - 1)
         UNION ALL
        SELECT a.originator_id, a.originator_version, 'comes after version 1'
          FROM appended AS a
         WHERE a.originator_version = 0 AND EXISTS (
               SELECT FROM %1$I.events AS e WHERE e.originator_id = a.originator_id
                  AND e.originator_version = 1 AND e.notification_id < a.notification_id)
         LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'version %% of stream %% %%',
                  refused.version, refused.stream, refused.reason
                USING ERRCODE = 'foreign_key_violation', SCHEMA = %1$L, TABLE = 'events',
                      CONSTRAINT = 'events_without_holes';
        END IF;
        RETURN NULL;
    END $$
$format$, current_schema()); END $do$;

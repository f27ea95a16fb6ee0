-- Old checkpoints are thinned to one a day, and what was given to witnesses with them: the log says
-- which (ledger.checkpoints_thinned.v1). The tree and its hashes stay, so every proof can be made.

DROP TRIGGER checkpoints_append_only ON checkpoints;
CREATE TRIGGER checkpoints_append_only BEFORE UPDATE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER checkpoints_expire BEFORE DELETE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_deletion();
DROP TRIGGER publications_append_only ON publications;
CREATE TRIGGER publications_append_only BEFORE UPDATE OR TRUNCATE ON publications
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER publications_expire BEFORE DELETE ON publications
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_deletion();

-- Runs with the rights of the owner, since nobody else may delete a checkpoint. It thins the oldest
-- day before the given one that has more than one, and none of the last week.
DO $do$ BEGIN EXECUTE format($format$
    CREATE FUNCTION thin_checkpoints(before date) RETURNS TABLE (
        day date, first_number bigint, last_number bigint, first_size bigint, last_size bigint,
        digest text
    )
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = %1$I, pg_temp AS $$
    #variable_conflict use_column
    DECLARE
        kept bigint;
    BEGIN
        IF NOT has_any_column_privilege(session_user, 'commands', 'INSERT') THEN
            RAISE EXCEPTION 'only the service itself thins checkpoints'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        IF before > (clock_timestamp() AT TIME ZONE 'UTC')::date - 7 THEN
            RAISE EXCEPTION 'checkpoints of the last week are kept'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        SELECT of_day.day, of_day.last INTO day, kept
          FROM (SELECT (created_at AT TIME ZONE 'UTC')::date AS day, max(number) AS last,
                       count(*) AS count
                  FROM checkpoints GROUP BY 1) AS of_day
         WHERE of_day.count > 1 AND of_day.day < before ORDER BY of_day.day LIMIT 1;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        SELECT min(c.number), max(c.number), min(c.size), max(c.size),
               encode(sha256(string_agg(sha256(convert_to(c.note, 'UTF8')), '' ORDER BY c.number)),
                      'hex')
          INTO first_number, last_number, first_size, last_size, digest
          FROM checkpoints AS c
         WHERE (c.created_at AT TIME ZONE 'UTC')::date = day AND c.number <> kept;
        PERFORM set_config('saldo.expiring', pg_current_xact_id()::text, true);
        DELETE FROM publications AS p USING checkpoints AS c
         WHERE p.number = c.number
           AND (c.created_at AT TIME ZONE 'UTC')::date = day AND c.number <> kept;
        DELETE FROM checkpoints AS c
         WHERE (c.created_at AT TIME ZONE 'UTC')::date = day AND c.number <> kept;
        PERFORM set_config('saldo.expiring', '', true);
        RETURN NEXT;
    END $$
$format$, current_schema()); END $do$;

-- Rows of commands are covered by digests in the log (ledger.commands_digested.v1), and expire by the
-- range of such a digest when it is old.

CREATE INDEX commands_without_events ON commands (recorded_at) WHERE last_position IS NULL;

DROP TRIGGER commands_append_only ON commands;
CREATE TRIGGER commands_append_only BEFORE UPDATE OR TRUNCATE ON commands
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('saldo.expiring', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        RAISE EXCEPTION 'table % is append-only: its old rows expire by themselves', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER commands_expire BEFORE DELETE ON commands
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_deletion();

-- Runs with the rights of the owner, since nobody else may delete a command. It deletes what one
-- digest covers, whole, and none that is younger than 90 days: until then a command may be repeated.
DO $do$ BEGIN EXECUTE format($format$
    CREATE FUNCTION expire_commands(digest_position bigint) RETURNS bigint
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = %1$I, pg_temp AS $$
    DECLARE
        digest json;
        deleted bigint;
        idle bigint;
    BEGIN
        IF NOT has_any_column_privilege(session_user, 'commands', 'INSERT') THEN
            RAISE EXCEPTION 'only the service itself lets commands expire'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        SELECT convert_from(state, 'UTF8')::json INTO digest FROM events
         WHERE notification_id = digest_position
           AND originator_id = '66624483-1476-5dbd-aef3-39d28d5c3be2'
           AND topic = 'ledger.commands_digested.v1'
           AND recorded_at < clock_timestamp() - interval '90 days';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'no digest at position %% is old enough', digest_position
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        PERFORM set_config('saldo.expiring', pg_current_xact_id()::text, true);
        DELETE FROM commands
         WHERE last_position > (digest ->> 'after')::bigint
           AND last_position <= (digest ->> 'through')::bigint
           AND command_id IN (
               SELECT command_id FROM events
                WHERE notification_id > (digest ->> 'after')::bigint
                  AND notification_id <= (digest ->> 'through')::bigint);
        GET DIAGNOSTICS deleted = ROW_COUNT;
        DELETE FROM commands
         WHERE last_position IS NULL
           AND recorded_at > (digest ->> 'idle_after')::timestamptz
           AND recorded_at <= (digest ->> 'idle_through')::timestamptz;
        GET DIAGNOSTICS idle = ROW_COUNT;
        PERFORM set_config('saldo.expiring', '', true);
        RETURN deleted + idle;
    END $$
$format$, current_schema()); END $do$;

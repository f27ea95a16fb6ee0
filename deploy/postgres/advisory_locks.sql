-- Take advisory locks from whoever has not been given them: a login that may only read could hold the
-- lock of the append, or a relay's, and so make writers wait. Run as a superuser in the database of
-- Saldo, before `python -m services migrate`, which passes the right on to services and sealer.
-- psql -v owner=saldo -f advisory_locks.sql
SELECT format('REVOKE EXECUTE ON FUNCTION %1$s FROM PUBLIC; GRANT EXECUTE ON FUNCTION %1$s TO %2$I WITH GRANT OPTION', oid::regprocedure, :'owner')
FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$' \gexec

#!/bin/bash
# Makes the owner of Saldo's database, who takes backups, and the folder of the archive. The image of
# PostgreSQL runs it once, when it has made an empty cluster, as the superuser. SALDO_DATABASE names the
# database.
set -euo pipefail

# Once: where it is missing later, what is mounted there is missing, and nothing is archived beside it.
mkdir -p -m 700 /backup/wal
psql --no-psqlrc --set=ON_ERROR_STOP=1 --quiet --dbname=postgres \
    --set=database="$SALDO_DATABASE" <<'SQL'
SET log_min_duration_statement = -1;    -- a statement with a password is in no log
\set password `cat /run/secrets/saldo/password`
\set backup `cat /run/secrets/saldo/backup`
CREATE ROLE saldo LOGIN CREATEROLE PASSWORD :'password';
GRANT pg_monitor, pg_signal_backend, pg_checkpoint TO saldo;
CREATE ROLE saldo_backup LOGIN REPLICATION PASSWORD :'backup';
CREATE DATABASE :"database" OWNER saldo;
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
SQL
psql --no-psqlrc --set=ON_ERROR_STOP=1 --quiet --dbname="$SALDO_DATABASE" \
    --set=owner=saldo --file=/etc/postgresql/advisory_locks.sql

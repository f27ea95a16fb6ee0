#!/bin/sh
# Take a base backup while everything runs, and delete what is older than is kept.
#
#   base_backup.sh "postgresql://saldo_backup@postgres/?sslmode=verify-full..." /backup 14
#
# Leaves /backup/base/<the time when it was complete, UTC>/ beside /backup/wal/, where archive_wal.sh
# puts what comes after it. The password comes from the URL's passfile or from PGPASSFILE. Exit code 0:
# the backup is complete; anything else: there is none, and the older ones are all still there. Whether
# it can be restored is what the restore drill tells (python -m deploy.restore_drill).
set -eu
url=$1 folder=$2 keep_days=$3

umask 077
mkdir -p "$folder/base"
draft=$folder/base/.draft
rm -rf "$draft"
# The server waits until the WAL that the backup needs is in the archive: so without one it fails.
pg_basebackup --dbname="$url" --pgdata="$draft" --wal-method=none --checkpoint=fast \
    --manifest-checksums=SHA256
sync
sleep 1   # so that the second in its name is not before its end: it can be restored to that moment
name=$(date -u +%Y%m%dT%H%M%SZ)
mv "$draft" "$folder/base/$name"
sync "$folder/base"
echo "base backup $name is complete"

# Whole backups go by their age; the newest stays, whatever its age. The WAL before the oldest that is
# left is of no use to anybody.
for old in $(find "$folder/base" -mindepth 1 -maxdepth 1 -type d -name '2*Z' -mtime "+$keep_days"); do
    [ "$(basename "$old")" = "$name" ] || rm -rf "$old"
done
oldest=$(find "$folder/base" -mindepth 1 -maxdepth 1 -type d -name '2*Z' | sort | head -n 1)
first=$(sed -n 's/^START WAL LOCATION: .* (file \([0-9A-F]\{24\}\))$/\1/p' "$oldest/backup_label")
[ -z "$first" ] || pg_archivecleanup "$folder/wal" "$first"

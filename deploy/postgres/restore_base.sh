#!/bin/sh
# Put a base backup back into an empty folder, so that the server recovers from it when it is started.
#
#   restore_base.sh /backup /var/lib/postgresql/18/data                            to the end of the archive
#   restore_base.sh /backup /var/lib/postgresql/18/data "2026-03-01 12:00:00+03"   to a moment
#
# Takes the newest base backup, or the newest that was complete at that moment. How far to recover stands
# in postgresql.auto.conf of the restored folder, which counts before postgresql.conf, wherever that is.
# Afterwards the server takes writes: left alone, PostgreSQL would pause at a moment, and only be read.
# Where the archive ends before the moment, it does not start, and says so. Exit code 0: start it;
# anything else: nothing was put there.
set -eu
folder=$1 data=$2 until=${3:-}

refuse() {
    echo "restore_base: $1" >&2
    exit 1
}
[ ! -e "$data" ] || [ -z "$(ls -A "$data")" ] || refuse "$data is not empty: move away what is there first"
[ -d "$folder/wal" ] || refuse "$folder/wal is not there: what is mounted there is missing"
case $until in
    "" | *Z | *[+-][0-9][0-9] | *[+-][0-9][0-9]:[0-9][0-9]) ;;
    *) refuse "a moment has a zone, as 2026-03-01 12:00:00+03" ;;
esac
case $until in
    *[!0-9TZ:.\ +-]*) refuse "$until is no moment, as 2026-03-01 12:00:00+03" ;;
esac
last=99999999T999999Z
[ -z "$until" ] || last=$(date -u -d "$until" +%Y%m%dT%H%M%SZ) || refuse "$until is no moment"
base=
for one in "$folder"/base/2*Z; do
    [ -f "$one/backup_label" ] || continue
    name=$(basename "$one")
    [ "$(printf '%s\n%s\n' "$name" "$last" | LC_ALL=C sort | head -n 1)" = "$name" ] && base=$one
done
[ -n "$base" ] || refuse "$folder/base has no base backup${until:+ from before $until}"

umask 077
mkdir -p "$(dirname "$data")"
draft=$data.draft
rm -rf "$draft"
cp -R "$base" "$draft"
settings=$draft/postgresql.auto.conf
touch "$settings"
# What an earlier recovery said is in the backup, too.
{ grep -v -E '^[[:space:]]*(restore_command|recovery_target)' "$settings" || true; } > "$settings.new"
{
    echo "restore_command = 'cp $folder/wal/%f %p'"
    echo "recovery_target_timeline = 'latest'"
    [ -z "$until" ] || echo "recovery_target_time = '$until'"
    [ -z "$until" ] || echo "recovery_target_action = 'promote'"
} >> "$settings.new"
mv "$settings.new" "$settings"
touch "$draft/recovery.signal"
chmod -R u=rwX,go= "$draft"
[ ! -d "$data" ] || rmdir "$data"
mv "$draft" "$data"
sync
echo "base backup $(basename "$base") is in $data: start the server${until:+, which recovers to $until}"

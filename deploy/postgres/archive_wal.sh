#!/bin/sh
# PostgreSQL's archive_command: keep a file of the WAL for good, or say that it is not kept.
#
#   archive_command = 'archive_wal.sh "%p" "%f" /backup/wal'
#
# It is called again until it succeeds. A file that is there already with the same content is kept (a
# crash came between the copy and the server's note of it); one with other content is never replaced.
set -eu
from=$1 name=$2 folder=$3

if [ ! -d "$folder" ]; then
    echo "archive_wal: $folder is not there: what is mounted there is missing" >&2
    exit 1
fi
if [ -e "$folder/$name" ]; then
    cmp -s "$from" "$folder/$name" && exit 0
    echo "archive_wal: $name is there already, and differs: another server archives here" >&2
    exit 1
fi
draft=$folder/.$name.draft
cp "$from" "$draft"
sync "$draft"                 # the file,
mv "$draft" "$folder/$name"
sync "$folder"                # and its name

-- Closings and imports are events of the log, in two streams of the book; their tables follow from
-- them. What was closed and imported before gets its events here, once: the time of then is in them.
-- The columns get their values from the log alone, and a rebuild may replace a row.

DROP TRIGGER closings_append_only ON closings;
ALTER TABLE closings ALTER COLUMN closed_at DROP DEFAULT;
ALTER TABLE imports ALTER COLUMN started_at DROP DEFAULT;
ALTER TABLE imports ALTER COLUMN attempt DROP DEFAULT;
COMMENT ON TABLE closings IS 'Months that are closed: no import and no correction takes effect in one any more. The log decides; this table shows it.';

SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.events', 0));

WITH chunks AS (
    SELECT i.digest,
           count(*) AS count,
           sum((i.counts ->> 'entries')::bigint) AS entries,
           sum((i.counts ->> 'refused_rows')::bigint) AS refused_rows,
           min(c.first_position) AS first_position,
           max(c.last_position) AS last_position,
           encode(sha256(string_agg(convert_to(concat_ws('|',
               i.chunk, i.command_id, i.end_offset, i.end_row, i.quarantine_bytes, i.counts::text,
               extract(epoch FROM i.committed_at)), 'UTF8'), '\x0a' ORDER BY i.chunk)), 'hex')
               AS digest_of_chunks
      FROM import_chunks AS i LEFT JOIN commands AS c USING (command_id)
     GROUP BY i.digest
),
-- An import that was given up has no chunks, and waits for the next attempt.
files AS (
    SELECT i.*, finished_at IS NULL AND attempt > 1 AND c.digest IS NULL AS given_up,
           c.count, c.entries, c.refused_rows, c.first_position, c.last_position, c.digest_of_chunks
      FROM imports AS i LEFT JOIN chunks AS c USING (digest)
),
decided AS (
    SELECT '84739fbf-a39b-5014-aa35-c5d647ff3c68'::uuid AS stream, closed_at AS at, period AS name,
           'ledger.month_closed.v1' AS topic, actor,
           json_build_object(
               'period', period, 'by', actor, 'reason', reason, 'closed_at', closed_at) AS state
      FROM closings
    UNION ALL
    SELECT 'f9fa1202-86da-5cd1-baf8-36310ae6dda7', started_at, digest,
           'ledger.import_begun.v1', actor,
           json_build_object(
               'digest', digest, 'kind', kind, 'file_name', file_name, 'size', size, 'by', actor,
               'reason', reason, 'attempt', attempt - given_up::int, 'begun_at', started_at)
      FROM files
    UNION ALL
    SELECT 'f9fa1202-86da-5cd1-baf8-36310ae6dda7', started_at, digest,
           'ledger.import_refused.v1', actor,
           json_build_object('digest', digest, 'attempt', attempt - 1, 'refused_rows', 0)
      FROM files WHERE given_up
    UNION ALL
    SELECT 'f9fa1202-86da-5cd1-baf8-36310ae6dda7', greatest(started_at, finished_at), digest,
           'ledger.import_finished.v1', actor,
           json_build_object(
               'digest', digest, 'attempt', attempt, 'entries', coalesce(entries, 0),
               'refused_rows', coalesce(refused_rows, 0), 'first_position', first_position,
               'last_position', last_position, 'chunks', coalesce(count, 0),
               'chunks_digest', coalesce(digest_of_chunks, encode(sha256(''), 'hex')),
               'finished_at', finished_at)
      FROM files WHERE finished_at IS NOT NULL
)
INSERT INTO events (
    originator_id, originator_version, topic, state, notification_id, recorded_at, command_id,
    actor, correlation_id, recorded_by
)
SELECT stream,
       row_number() OVER (PARTITION BY stream ORDER BY at, name, topic),
       topic,
       convert_to(state::text, 'UTF8'),
       tail.position + row_number() OVER (ORDER BY at, name, topic),
       tail.recorded_at,
       gen_random_uuid(),
       actor,
       'events of the book',
       ''
  FROM decided,
       (SELECT coalesce(max(notification_id), 0) AS position,
               greatest(clock_timestamp(), max(recorded_at)) AS recorded_at FROM events) AS tail
 ORDER BY at, name, topic;

-- How far the stream was searched for what the log has lost: the worker reads it in pieces, and goes
-- on from there. Run by the migrator as the owner.

ALTER TABLE recoveries
    ADD COLUMN first_offset bigint,
    ADD COLUMN next_offset  bigint,
    ADD COLUMN last_offset  bigint,
    ADD COLUMN reaches_back boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN recoveries.next_offset IS 'The message of the stream that is searched next, of those from first_offset to last_offset; NULL: nothing was read yet.';
COMMENT ON COLUMN recoveries.reaches_back IS 'What was read of the stream begins no later than what was lost.';

-- The seal of the ledger: a Merkle tree over the log in its order, and signed checkpoints of it.

CREATE TABLE checkpoints (
    number     bigint      PRIMARY KEY CHECK (number > 0),
    size       bigint      NOT NULL UNIQUE CHECK (size > 0),
    root       bytea       NOT NULL CHECK (octet_length(root) = 32),
    note       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE checkpoints IS 'What was signed: the first size events of the log have this root. Numbers have no gaps.';
COMMENT ON COLUMN checkpoints.note IS 'The signed note in the format of C2SP tlog-checkpoint, to be kept by others too.';
CREATE TRIGGER checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE tiles (
    level  smallint NOT NULL CHECK (level >= 0),
    start  bigint   NOT NULL CHECK (start >= 0),
    hashes bytea    NOT NULL CHECK (
        octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0
        AND start % 256 + octet_length(hashes) / 32 <= 256
    ),
    PRIMARY KEY (level, start)
);
-- Hashes cannot be compressed: do not try.
ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE tiles IS 'The hashes of the tree, every eighth level of it, in runs: hash i of level l covers the events i*256^l+1 to (i+1)*256^l. A run is written once and lies in one tile of 256 (C2SP tlog-tiles).';
COMMENT ON COLUMN tiles.start IS 'The index in its level of the first hash of the run.';
CREATE TRIGGER tiles_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tiles
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

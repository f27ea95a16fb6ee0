-- Files that were imported, chunk by chunk.

CREATE TABLE imports (
    digest      text        PRIMARY KEY,
    kind        text        NOT NULL,
    file_name   text        NOT NULL,
    size        bigint      NOT NULL,
    actor       text        NOT NULL,
    reason      text        NOT NULL,
    attempt     integer     NOT NULL DEFAULT 1,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
);
COMMENT ON COLUMN imports.attempt IS 'grows when nothing of the file could be posted, so that it may be tried again';
COMMENT ON TABLE imports IS 'The files that were imported, by the SHA-256 of their content: each has its effect once.';

CREATE TABLE import_chunks (
    digest           text        NOT NULL REFERENCES imports,
    chunk            integer     NOT NULL CHECK (chunk >= 0),
    command_id       uuid        NOT NULL,
    end_offset       bigint      NOT NULL,
    end_row          bigint      NOT NULL,
    quarantine_bytes bigint      NOT NULL,
    counts           jsonb       NOT NULL,
    committed_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (digest, chunk)
);
COMMENT ON TABLE import_chunks IS 'How far each import has come: written in the transaction that posted the chunk.';
COMMENT ON COLUMN import_chunks.end_offset IS 'the byte of the file at which the next chunk begins, after the row end_row';
COMMENT ON COLUMN import_chunks.quarantine_bytes IS 'how long the quarantine file was when the chunk was committed';

-- Base table of every service, added after base.sql: how far its live feed has got.

CREATE TABLE live (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position  bigint  NOT NULL DEFAULT 0,
    published bigint  NOT NULL DEFAULT 0
);
-- Subscribers of an installation that is upgraded go on where its relay has published.
INSERT INTO live (position, published) SELECT position, published FROM relay;
COMMENT ON TABLE live IS 'The position up to which subscribers were sent the log, and that of the last event sent.';

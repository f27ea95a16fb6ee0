-- Checkpoints that the sealer has given to witnesses, where we cannot rewrite them.

CREATE TABLE publications (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    witness text        NOT NULL,
    number  bigint      NOT NULL,
    failure text,
    at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX publications_newest ON publications (witness, id DESC);
COMMENT ON TABLE publications IS 'Which checkpoint each witness was given; a row with a failure: since then it could not be.';
CREATE TRIGGER publications_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON publications
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE announced_checkpoint (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    number   bigint  NOT NULL DEFAULT 0
);
INSERT INTO announced_checkpoint DEFAULT VALUES;
COMMENT ON TABLE announced_checkpoint IS 'The last checkpoint that the worker has published on the bus.';

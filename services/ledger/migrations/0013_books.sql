-- migrate: expand
-- Which numbers are of which book. Without a rule a number is of the first book. A number is opened
-- in its book alone, so a rule is made before there is an account that it concerns.

CREATE TABLE book_rules (
    prefix     text        PRIMARY KEY CHECK (prefix ~ '^[0-9]{1,20}$'),
    book       text        NOT NULL CHECK (book ~ '^ledger(_[a-z][a-z0-9]{0,15})?$'),
    settled    boolean     NOT NULL,
    reason     text        NOT NULL,
    giver      text        NOT NULL DEFAULT '',
    written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE book_rules IS 'The longest prefix of a number says which book it is of, by the name of its log.';
COMMENT ON COLUMN book_rules.settled IS 'Until the book of before has given the numbers up, what opens one waits.';
COMMENT ON COLUMN book_rules.giver IS 'Which book has the numbers until then.';

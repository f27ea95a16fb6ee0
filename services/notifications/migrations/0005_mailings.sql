-- Letters to many persons about one thing: the bills of an import, a due day, the day on which
-- penalties begin. A job finds the persons page by page, and queues one letter to each.
CREATE TABLE mailings (
    mailing_id     uuid        PRIMARY KEY,
    kind           text        NOT NULL CHECK (kind IN ('bill_ready', 'due_soon', 'overdue')),
    about          text        NOT NULL,
    first_position bigint,
    last_position  bigint,
    state          text        NOT NULL
                   CHECK (state IN ('collecting', 'queueing', 'done', 'outdated')),
    reached        text        NOT NULL,
    found          bigint      NOT NULL DEFAULT 0,
    queued         bigint      NOT NULL DEFAULT 0,
    begun_at       timestamptz NOT NULL,
    finished_at    timestamptz,
    UNIQUE (kind, about)
);
COMMENT ON COLUMN mailings.about IS 'The digest of the imported file, the due day, or the first day of penalties.';
COMMENT ON COLUMN mailings.first_position IS 'Of an import: where its bills begin in the log of the ledger.';
COMMENT ON COLUMN mailings.reached IS 'The last position or account that was looked at; while letters are queued, the last person.';
COMMENT ON COLUMN mailings.found IS 'How many times a person is concerned by an account.';
CREATE INDEX mailings_open ON mailings (begun_at) WHERE state IN ('collecting', 'queueing');
CREATE INDEX mailings_by_age ON mailings (begun_at);

-- What was found, until its letter is queued: a person gets one letter about all his accounts.
CREATE TABLE mailing_lines (
    mailing_id uuid NOT NULL REFERENCES mailings,
    person_id  uuid NOT NULL,
    account    text NOT NULL,
    period     text NOT NULL,
    due_on     date NOT NULL,
    PRIMARY KEY (mailing_id, person_id, account, period)
);

-- Up to where the imports of the ledger have been looked at: one row.
CREATE TABLE noted_imports (
    single   boolean PRIMARY KEY DEFAULT true CHECK (single),
    position bigint  NOT NULL
);
INSERT INTO noted_imports (position) VALUES (0);

-- What has come of the letters of a mailing.
CREATE INDEX letters_of_mailing ON letters ((refs ->> 'mailing_id'), state, reason)
    WHERE refs ? 'mailing_id';

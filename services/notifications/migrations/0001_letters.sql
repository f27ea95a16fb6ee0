-- The letters as people and staff see them: derived from the events.
CREATE TABLE letters (
    letter_id uuid PRIMARY KEY,
    kind text NOT NULL,
    person_id uuid,
    state text NOT NULL CHECK (state IN ('queued', 'sent', 'failed')),
    reason text,
    queued_at timestamptz NOT NULL,
    sent_at timestamptz,
    position bigint NOT NULL
);

CREATE INDEX letters_of_person ON letters (person_id, position DESC) WHERE person_id IS NOT NULL;

-- What waits to be sent. `sealed` is the address and the content, encrypted under a key that the
-- database never sees; the row is deleted in the transaction that ends the letter.
CREATE TABLE outbox (
    letter_id uuid PRIMARY KEY,
    sealed text NOT NULL,
    -- A letter with a secret: only the newest of a topic is worth sending, and not after stale_at.
    secret_topic text,
    stale_at timestamptz,
    correlation_id text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    queued_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    CHECK ((secret_topic IS NULL) = (stale_at IS NULL))
);

-- Secrets first: somebody sits in front of the screen and waits for them.
CREATE INDEX outbox_due ON outbox ((stale_at IS NULL), next_attempt_at);
CREATE INDEX outbox_secrets ON outbox (secret_topic) WHERE secret_topic IS NOT NULL;

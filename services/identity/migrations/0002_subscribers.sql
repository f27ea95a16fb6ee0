-- Other systems that read the published events, and what each may see. No person is in it.

CREATE TABLE subscribers (
    name         text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_-]{0,31}$'),
    token_digest bytea NOT NULL UNIQUE,
    -- Services, or single types of one: ledger, payments.payment_completed.
    grants       text[] NOT NULL CHECK (cardinality(grants) > 0),
    persons      boolean NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Whose login made the row, or changed it last.
    changed_by   text NOT NULL DEFAULT session_user,
    changed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz
);

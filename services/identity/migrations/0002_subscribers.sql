-- Other systems that read the published events, and what each may see. No person is in it.

CREATE TABLE subscribers (
    name         text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_-]{0,31}$'),
    token_digest bytea NOT NULL UNIQUE,
    -- Services, or single types of one: ledger, payments.payment_completed.
    grants       text[] NOT NULL CHECK (cardinality(grants) > 0),
    persons      boolean NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz
);

CREATE TABLE subscriber_changes (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    change     text NOT NULL CHECK (change IN ('added', 'granted', 'rotated', 'removed')),
    grants     text[] NOT NULL,
    persons    boolean NOT NULL,
    reason     text NOT NULL,
    changed_by text NOT NULL DEFAULT session_user,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE subscriber_changes IS 'Who let which system see what, when and why; a removed one stays here.';
CREATE TRIGGER subscriber_changes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON subscriber_changes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

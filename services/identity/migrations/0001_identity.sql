-- What identity keeps beside its log. Only `persons` is derived from events; the other tables are
-- mutable secrets (hashed or keyed) and short-lived counters, and hold no personal data in clear.

CREATE TABLE persons (
    person_id       uuid PRIMARY KEY,
    person_type     text NOT NULL CHECK (person_type IN ('individual', 'organisation')),
    registered_at   timestamptz NOT NULL,
    rules_version   text NOT NULL,
    consent_version text NOT NULL,
    -- Sealed under the person's data key: unreadable once that key is destroyed.
    email           text NOT NULL,
    organisation    text,
    full_name       text,
    phone           text,
    erased          boolean NOT NULL DEFAULT false
);

CREATE TABLE credentials (
    person_id     uuid PRIMARY KEY,
    -- HMAC of the address: finds a person by e-mail, and lets an address belong to one person.
    email_index   bytea NOT NULL UNIQUE,
    password_hash text,
    temporary     boolean NOT NULL DEFAULT true,
    expires_at    timestamptz,
    CHECK (temporary OR (password_hash IS NOT NULL AND expires_at IS NULL))
);

CREATE TABLE codes (
    -- The registration or the password reset that the code belongs to.
    owner_id      uuid PRIMARY KEY,
    purpose       text NOT NULL CHECK (purpose IN ('registration', 'password_reset')),
    email_index   bytea NOT NULL,
    -- NULL until a letter asked for the code, and for good when there is nobody to write to.
    digest        bytea,
    expires_at    timestamptz NOT NULL,
    attempts_left smallint NOT NULL CHECK (attempts_left >= 0),
    created_at    timestamptz NOT NULL
);
CREATE INDEX codes_by_age ON codes (purpose, created_at);

CREATE TABLE sessions (
    session_id   uuid PRIMARY KEY,
    person_id    uuid NOT NULL,
    token_digest bytea NOT NULL UNIQUE,
    device       text NOT NULL,
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sessions_of_person ON sessions (person_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE attempts (
    scope     text NOT NULL,
    -- A keyed hash of an e-mail or network address, never the thing itself; or a person's id.
    subject   bytea NOT NULL,
    taken     integer NOT NULL,
    closes_at timestamptz NOT NULL,
    PRIMARY KEY (scope, subject)
);
CREATE INDEX attempts_by_age ON attempts (closes_at);

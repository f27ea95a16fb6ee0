-- The second factor of a person: passkeys, an authenticator app, codes on paper. A key that only
-- verifies is no secret; what computes or is compared is sealed or a keyed hash.

CREATE TABLE passkeys (
    passkey_id    uuid PRIMARY KEY,
    person_id     uuid NOT NULL,
    credential_id bytea NOT NULL UNIQUE CHECK (octet_length(credential_id) BETWEEN 1 AND 1023),
    public_key    bytea NOT NULL,
    -- As the authenticator said last; many have no counter and always say 0.
    sign_count    bigint NOT NULL CHECK (sign_count >= 0),
    -- What the person calls it, sealed.
    name          text NOT NULL,
    added_at      timestamptz NOT NULL,
    last_used_at  timestamptz
);
CREATE INDEX passkeys_of_person ON passkeys (person_id);

CREATE TABLE totp_secrets (
    person_id    uuid PRIMARY KEY,
    sealed       text NOT NULL,
    -- The step of the last code that was accepted: neither it nor an earlier one is accepted again.
    last_step    bigint NOT NULL,
    added_at     timestamptz NOT NULL,
    last_used_at timestamptz
);

CREATE TABLE recovery_codes (
    person_id uuid NOT NULL,
    digest    bytea NOT NULL,
    issued_at timestamptz NOT NULL,
    PRIMARY KEY (person_id, digest)
);

CREATE TABLE challenges (
    challenge_id  uuid PRIMARY KEY,
    purpose       text NOT NULL CHECK (purpose IN ('second_step', 'add_passkey', 'add_totp')),
    person_id     uuid NOT NULL,
    -- Of a second step the digest of the password that was right; otherwise the session's id.
    bound_to      bytea NOT NULL,
    -- What an authenticator signs.
    nonce         bytea NOT NULL,
    -- The name of a passkey, or the secret of an app, that waits to be confirmed.
    sealed        text,
    attempts_left smallint NOT NULL CHECK (attempts_left >= 0),
    expires_at    timestamptz NOT NULL
);
CREATE INDEX challenges_of_person ON challenges (person_id);
CREATE INDEX challenges_by_expiry ON challenges (expires_at);

CREATE TABLE spent_nonces (
    nonce      bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE spent_nonces IS 'A nonce of signing in by a passkey is a signed text, kept only once it was used: it serves once.';
CREATE INDEX spent_nonces_by_expiry ON spent_nonces (expires_at);

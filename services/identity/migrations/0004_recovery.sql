-- Recovery by a link, codes that grow longer under attack, and the change of an e-mail address.

-- The fingerprint of the last temporary password: it was in a letter, so nobody may keep it.
ALTER TABLE credentials ADD COLUMN sent_password bytea;

ALTER TABLE codes
    -- Wrong ones over all codes of a registration; a fresh code starts with full attempts.
    ADD COLUMN wrong smallint NOT NULL DEFAULT 0,
    -- Whether the next letter has twelve digits.
    ADD COLUMN long boolean NOT NULL DEFAULT false,
    -- Whether the code that was sent has twelve digits.
    ADD COLUMN sent_long boolean NOT NULL DEFAULT false;
-- A recovery has a link from now on. Who waits for a code asks again.
DELETE FROM codes WHERE purpose = 'password_reset';

CREATE TABLE password_resets (
    reset_id     uuid PRIMARY KEY,
    -- NULL for an address that nobody has: the same row is written, and no letter.
    person_id    uuid,
    -- SHA-256 of the token of the link; NULL until the letter is written.
    token_digest bytea UNIQUE,
    requested_at timestamptz NOT NULL,
    expires_at   timestamptz
);
CREATE INDEX password_resets_of_person ON password_resets (person_id);
CREATE INDEX password_resets_by_age ON password_resets (requested_at);

CREATE TABLE email_changes (
    change_id        uuid PRIMARY KEY,
    -- A person has one change under way at a time.
    person_id        uuid NOT NULL UNIQUE,
    way              text NOT NULL CHECK (way IN ('both', 'account', 'staff')),
    -- HMAC of the new address; the address itself is sealed in the log.
    email_index      bytea NOT NULL,
    -- The session that stays when the others end.
    session_id       uuid,
    -- SHA-256 of the tokens of the two links; NULL until the letter is written, or used.
    new_digest       bytea UNIQUE,
    old_digest       bytea UNIQUE,
    new_confirmed_at timestamptz,
    old_confirmed_at timestamptz,
    -- When it happens without the old mailbox; NULL where both have to confirm.
    due_at           timestamptz,
    expires_at       timestamptz NOT NULL
);
CREATE INDEX email_changes_by_end ON email_changes (expires_at);

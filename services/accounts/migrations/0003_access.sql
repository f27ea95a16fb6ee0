-- Access by tenure, in a role, and who gave it. Whoever had linked an account is its owner.
ALTER TABLE links
    DROP CONSTRAINT links_pkey,
    DROP CONSTRAINT links_proven_by_check,
    ADD COLUMN tenure     integer NOT NULL DEFAULT 1,
    ADD COLUMN role       text    NOT NULL DEFAULT 'owner'
               CHECK (role IN ('owner', 'payer', 'viewer')),
    ADD COLUMN invited_by uuid,
    ADD CONSTRAINT links_proven_by_check CHECK (
        proven_by IN ('bill', 'number', 'control_code', 'total_and_period', 'invitation', 'staff')
    ),
    ADD CONSTRAINT links_invited CHECK ((invited_by IS NOT NULL) = (proven_by = 'invitation')),
    ADD FOREIGN KEY (number, tenure) REFERENCES tenures;
ALTER TABLE links
    ALTER COLUMN tenure DROP DEFAULT,
    ALTER COLUMN role DROP DEFAULT,
    ADD PRIMARY KEY (person_id, number, tenure);

-- Who was invited to an account. email is sealed under the invitation's id, whose key goes when
-- the invitation ends. The token of its letter is derived and stands nowhere.
CREATE TABLE invitations (
    invitation_id uuid        PRIMARY KEY,
    number        text        NOT NULL,
    tenure        integer     NOT NULL,
    role          text        NOT NULL CHECK (role IN ('payer', 'viewer')),
    invited_by    uuid        NOT NULL,
    email         text        NOT NULL,
    sent_at       timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    FOREIGN KEY (number, tenure) REFERENCES tenures
);
COMMENT ON TABLE invitations IS 'Open invitations alone: one that is accepted or ended is deleted.';
CREATE INDEX invitations_by_account ON invitations (number, tenure);
CREATE INDEX invitations_by_end ON invitations (expires_at);

-- Who tried to prove which account, for staff. number is what was typed, if it is a number at all;
-- network is a keyed hash.
CREATE TABLE attempts_log (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL,
    person_id uuid        NOT NULL,
    number    text,
    network   uuid        NOT NULL,
    purpose   text        NOT NULL CHECK (purpose IN ('link', 'prove')),
    outcome   text        NOT NULL CHECK (outcome IN ('proven', 'refused'))
);
CREATE INDEX attempts_log_by_age ON attempts_log (at);
CREATE INDEX attempts_log_by_number ON attempts_log (number, id);

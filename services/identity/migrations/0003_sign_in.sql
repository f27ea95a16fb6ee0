-- Where people sign in from. A known place is never shut by what others do: a device by its token,
-- or a network from which its person has signed in. No address is in it, only keyed hashes.

CREATE TABLE devices (
    person_id     uuid NOT NULL,
    -- SHA-256 of a random token that the device keeps.
    device_digest bytea NOT NULL,
    name          text NOT NULL,
    -- The session that made it known: the letter about it asks by that, also after its end.
    session_id    uuid NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    PRIMARY KEY (person_id, device_digest)
);
CREATE INDEX devices_by_digest ON devices (device_digest);
CREATE INDEX devices_by_age ON devices (last_seen_at);

CREATE TABLE networks (
    person_id     uuid NOT NULL,
    network_index bytea NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    PRIMARY KEY (person_id, network_index)
);
CREATE INDEX networks_by_age ON networks (last_seen_at);

CREATE TABLE sign_in_links (
    link_id      uuid PRIMARY KEY,
    person_id    uuid NOT NULL,
    -- NULL until its letter is written.
    token_digest bytea UNIQUE,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sign_in_links_of_person ON sign_in_links (person_id);
CREATE INDEX sign_in_links_by_age ON sign_in_links (expires_at);

-- NULL in sessions from before.
ALTER TABLE sessions
    ADD COLUMN device_digest bytea,
    ADD COLUMN network_index bytea,
    ADD COLUMN how text NOT NULL DEFAULT 'password';

ALTER TABLE attempts
    -- When the next attempt may be made, where attempts are slowed down instead of locked.
    ADD COLUMN opens_at timestamptz,
    -- The index of the address that was tried, to clear all that is counted of it.
    ADD COLUMN owner bytea;
CREATE INDEX attempts_of_owner ON attempts (owner) WHERE owner IS NOT NULL;

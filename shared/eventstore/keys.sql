-- Keys of keyed hashes (fingerprints of commands, indexes, digests). Run by the migrator as the owner.

CREATE TABLE hash_keys (
    purpose    text        PRIMARY KEY,
    wrapped    bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE hash_keys IS 'Wrapped keys of keyed hashes, one for each purpose: they stay when the secret that wraps them is changed, so that every hash can still be compared.';

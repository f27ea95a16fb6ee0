-- The keys of a service in the database of keys. Run by the migrator as the owner.

CREATE TABLE data_keys (
    subject    uuid        PRIMARY KEY,
    wrapped    bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE data_keys IS 'Wrapped keys of personal data; deleting a row makes the data of its subject unreadable.';

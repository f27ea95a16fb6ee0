-- Data keys are kept in a database of their own. Run by the migrator as the owner.

COMMENT ON TABLE data_keys IS 'Where data keys were kept before they got a database of their own: what is left here is moved there. Nothing is added.';

CREATE TABLE destroyed_keys (
    subject  uuid        PRIMARY KEY,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at  timestamptz
);
CREATE INDEX destroyed_keys_due ON destroyed_keys (asked_at) WHERE done_at IS NULL;
COMMENT ON TABLE destroyed_keys IS 'The subjects whose data keys are destroyed, written with the event that says so. No done_at: it is still to be done. They are destroyed again after an older dump of the keys was restored.';

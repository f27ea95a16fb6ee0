-- What staff have asked to be retried. Run by the migrator as the owner.

ALTER TABLE parked
    ADD COLUMN retry_asked_at timestamptz,
    ADD COLUMN retry_asked_by text NOT NULL DEFAULT '';
CREATE INDEX parked_retry_asked ON parked (id) WHERE retry_asked_at IS NOT NULL;
COMMENT ON COLUMN parked.retry_asked_at IS 'Since when the worker is asked to retry the message; NULL: it is not.';

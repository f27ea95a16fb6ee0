-- A letter is a request until it is delivered: `refs` names by ids what it is about.
ALTER TABLE letters ADD COLUMN refs jsonb NOT NULL DEFAULT '{}';

-- What is sealed is the message as it was drawn: kept where another draw would void a secret that
-- may have arrived. Rows of earlier versions (generation 0) were drawn when they were queued.
ALTER TABLE outbox ALTER COLUMN sealed DROP NOT NULL;
ALTER TABLE outbox DROP CONSTRAINT outbox_check;
ALTER TABLE outbox RENAME COLUMN stale_at TO sealed_until;
ALTER TABLE outbox ADD COLUMN generation integer NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN lane smallint NOT NULL DEFAULT 1 CHECK (lane IN (0, 1, 2));
ALTER TABLE outbox ADD COLUMN not_after timestamptz;
UPDATE outbox SET lane = 0 WHERE secret_topic IS NOT NULL;

-- Whoever delivers a letter claims it. A claim is a lease that ends at next_attempt_at, when the
-- letter is due again: the claims of a dead process end by themselves.
ALTER TABLE outbox ADD COLUMN claimed_by uuid;
CREATE INDEX outbox_claims ON outbox (claimed_by) WHERE claimed_by IS NOT NULL;

DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (lane, next_attempt_at);
CREATE INDEX outbox_by_age ON outbox (queued_at);

-- A letter that the mail server accepted may come back hours later. `report_status` is what the
-- last report said (RFC 3463); `bounced_hard`: that the address receives no letters.
ALTER TABLE letters DROP CONSTRAINT letters_state_check;
ALTER TABLE letters ADD CONSTRAINT letters_state_check
    CHECK (state IN ('queued', 'sent', 'failed', 'bounced'));
ALTER TABLE letters ADD COLUMN bounced_at timestamptz;
ALTER TABLE letters ADD COLUMN report_status text;
ALTER TABLE letters ADD COLUMN bounced_hard boolean NOT NULL DEFAULT false;

-- Staff look at the newest ones, and at what went wrong; sent letters are the many.
CREATE INDEX letters_by_position ON letters (position DESC);
CREATE INDEX letters_not_delivered ON letters (state, queued_at) WHERE state IN ('failed', 'bounced');

-- The second step again within a session, and codes on paper under a slow hash.

ALTER TABLE sessions ADD COLUMN second_step_at timestamptz;
COMMENT ON COLUMN sessions.second_step_at IS 'When the second step was last taken in this session; a change of access needs a recent one where there is a second factor.';

ALTER TABLE recovery_codes ADD COLUMN recipe text;
COMMENT ON COLUMN recovery_codes.recipe IS 'How the digest was stretched: argon2id, its costs and salt, one for all codes of an issue. NULL: not yet, a job does it.';
CREATE INDEX recovery_codes_not_stretched ON recovery_codes (person_id) WHERE recipe IS NULL;

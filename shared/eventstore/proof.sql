-- What shows that a reader has jumped over nothing, after its process was started again. Run by the
-- migrator as the owner.

ALTER TABLE positions
    ADD COLUMN proof_after bigint,
    ADD COLUMN proof_until bigint,
    ADD COLUMN proof       bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN positions.proof IS 'A sum over the events that have taken effect after proof_after up to proof_until. It says nothing where that is not the position.';

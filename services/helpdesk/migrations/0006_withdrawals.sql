-- The author of a proposal may withdraw it, before anybody decides on it.
ALTER TABLE decisions DROP CONSTRAINT decisions_decision_check;
ALTER TABLE decisions ADD CONSTRAINT decisions_decision_check
    CHECK (decision IN ('approved', 'rejected', 'withdrawn'));

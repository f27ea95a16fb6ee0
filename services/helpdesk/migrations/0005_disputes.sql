-- Lines of bills that persons do not agree with; account is the key of the holder's own time.
CREATE TABLE disputes (
    question_id uuid PRIMARY KEY REFERENCES questions,
    account     text NOT NULL,
    period      text NOT NULL,
    service     text NOT NULL,
    state       text NOT NULL CHECK (state IN ('under_review', 'corrected', 'rejected')),
    since       timestamptz NOT NULL
);
CREATE INDEX disputes_by_account ON disputes (account);
CREATE INDEX disputes_by_state ON disputes (state, since);

-- The adjustments that were proposed for them in the ledger.
CREATE TABLE dispute_proposals (
    question_id uuid NOT NULL REFERENCES questions,
    proposal_id uuid NOT NULL,
    PRIMARY KEY (question_id, proposal_id)
);
CREATE INDEX dispute_proposals_by_proposal ON dispute_proposals (proposal_id);

-- What the ledger has decided on proposals, also on those that no question has: either may be known
-- here before the other. A row without a decision was noted by a question.
CREATE TABLE decisions (
    proposal_id uuid PRIMARY KEY,
    decision    text CHECK (decision IN ('approved', 'rejected'))
);

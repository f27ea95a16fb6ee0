-- Lines stayed under review where a proposal was withdrawn after the department had answered.
UPDATE disputes SET since = now(), state = CASE
        WHEN EXISTS (SELECT FROM dispute_proposals JOIN decisions USING (proposal_id)
                     WHERE question_id = disputes.question_id AND decision = 'approved')
        THEN 'corrected' ELSE 'rejected' END
    FROM questions
    WHERE questions.question_id = disputes.question_id
        AND disputes.state = 'under_review' AND questions.state IN ('answered', 'closed')
        AND NOT EXISTS (SELECT FROM dispute_proposals LEFT JOIN decisions USING (proposal_id)
                        WHERE question_id = disputes.question_id AND decision IS NULL);

-- Tenures: a number has one holder after the other, each with a key of his own. What the table of
-- contracts held is the first tenure of each number.
ALTER TABLE links DROP CONSTRAINT links_number_fkey;
ALTER TABLE bills DROP CONSTRAINT bills_number_fkey;
ALTER TABLE contracts RENAME TO tenures;
ALTER TABLE tenures
    DROP CONSTRAINT contracts_pkey,
    ADD COLUMN tenure   integer NOT NULL DEFAULT 1 CHECK (tenure > 0),
    ADD COLUMN since    date,
    ADD COLUMN until    date,
    ADD COLUMN services text[]  NOT NULL DEFAULT '{}',
    ADD COLUMN payee    text,
    ADD COLUMN version  bigint  NOT NULL DEFAULT 1 CHECK (version > 0),
    ADD CONSTRAINT tenures_begin CHECK (since IS NOT NULL OR tenure = 1),
    ADD CONSTRAINT tenures_end CHECK (until >= since - 1);
ALTER TABLE tenures ALTER COLUMN tenure DROP DEFAULT, ADD PRIMARY KEY (number, tenure);
UPDATE tenures AS t SET version = e.version
  FROM (SELECT convert_from(state, 'UTF8')::jsonb ->> 'number' AS number,
               max(originator_version) AS version
          FROM events
         WHERE topic IN ('accounts.contract_registered.v1', 'accounts.contract_amended.v1')
         GROUP BY 1) AS e
 WHERE t.number = e.number AND e.version > 1;
ALTER TABLE tenures ALTER COLUMN version DROP DEFAULT;
COMMENT ON TABLE tenures IS 'Who holds a number, and when: holder and address are sealed under the key of the tenure. The newest tenure of a number is that of its contract; until is the last day.';
COMMENT ON COLUMN tenures.version IS 'The version of the contract''s stream, with the events of this tenure.';
-- The import lets one open contract have an ЕЛС; contracts of before may share one.
CREATE INDEX tenures_by_els ON tenures (els) WHERE until IS NULL AND els IS NOT NULL;

-- What proves a claim to an open tenure: facts of its last bill, as HMACs under a key that the
-- database does not hold. Those of a closed tenure prove nothing, and stay so that they never prove
-- the next one. Bills of before had other facts: the next registry brings new ones. sealed_code is
-- the control code for the owner's bill, sealed under the tenure.
DROP TABLE bills;
CREATE TABLE proofs (
    number           text        NOT NULL,
    tenure           integer     NOT NULL,
    control_code     text        CHECK (length(control_code) = 64),
    total_and_period text        CHECK (length(total_and_period) = 64),
    sealed_code      text,
    kept_at          timestamptz NOT NULL,
    PRIMARY KEY (number, tenure)
);

ALTER TABLE imports ADD COLUMN opened integer, ADD COLUMN closed integer;

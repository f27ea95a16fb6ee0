-- What a tenure's proofs were before the present ones: a former holder may still have those bills.
-- Never does one of an earlier tenure prove a later one, however late a registry repeats it.
CREATE TABLE spent_proofs (
    number text    NOT NULL,
    tenure integer NOT NULL,
    digest bytea   NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (number, tenure, digest)
);
COMMENT ON TABLE spent_proofs IS 'Keyed digests of facts that proved a tenure once, of control codes and of totals with their months alike.';

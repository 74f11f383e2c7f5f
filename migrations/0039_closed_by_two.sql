-- What had no end of its own gets one by two officers: money that somebody paid back, what was
-- recovered too much and was given to the person, and lines whose institution contradicts itself.

ALTER TABLE payments.proposals
    DROP CONSTRAINT proposals_kind_check,
    ADD CONSTRAINT proposals_kind_check CHECK (kind IN (
        'approval_level', 'guard_limit', 'delegation', 'forecast', 'recovery', 'write_off',
        'netting_cap', 'repayment', 'give_back', 'first_answer'));

-- By which accepted proposal; rows of before were recorded by one officer.
ALTER TABLE payments.repayments
    ADD COLUMN proposal_no bigint UNIQUE REFERENCES payments.proposal_decisions (proposal_no),
    ADD CONSTRAINT accepted_by_another CHECK (proposal_no IS NOT NULL) NOT VALID;

-- What was recovered too much, and an institution gave to the person: each exception once, each
-- receipt once.
CREATE TABLE payments.givings_back (
    proposal_no  bigint         PRIMARY KEY REFERENCES payments.proposal_decisions (proposal_no),
    exception_no bigint         NOT NULL UNIQUE REFERENCES payments.exceptions,
    amount       numeric(20, 0) NOT NULL CHECK (amount > 0),
    institution  integer        NOT NULL,
    reference    text           NOT NULL CHECK (btrim(reference) <> ''),
    paid_on      date           NOT NULL,
    recorded_at  timestamptz    NOT NULL,
    UNIQUE (institution, reference)
);

-- First answers of lines that stand although their institution said otherwise later.
CREATE TABLE payments.upheld_results (
    proposal_no bigint      PRIMARY KEY REFERENCES payments.proposal_decisions (proposal_no),
    run_no      bigint      NOT NULL,
    part        smallint    NOT NULL,
    chunk       integer     NOT NULL,
    line        integer     NOT NULL,
    status      text        NOT NULL CHECK (status IN ('credited', 'rejected')),
    -- The document that it rests on.
    basis       text        NOT NULL CHECK (btrim(basis) <> ''),
    upheld_at   timestamptz NOT NULL
);
CREATE INDEX upheld_results_of_line ON payments.upheld_results (run_no, part, chunk, line);

GRANT SELECT, INSERT ON payments.givings_back, payments.upheld_results TO ansinh_payments;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['givings_back', 'upheld_results'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON payments.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;

-- What was overpaid is recovered by a decision: repaid by instalments, netted from later months under
-- a cap, or written off. One officer proposes each of these, another decides and signs.

ALTER TABLE payments.proposals
    DROP CONSTRAINT proposals_kind_check,
    ADD CONSTRAINT proposals_kind_check CHECK (kind IN (
        'approval_level', 'guard_limit', 'delegation', 'forecast', 'recovery', 'write_off',
        'netting_cap'));

-- How a case is recovered, by the written decision of the authority; the latest of a case holds.
CREATE TABLE payments.recoveries (
    recovery_no bigint         PRIMARY KEY REFERENCES payments.proposal_decisions (proposal_no),
    case_no     bigint         NOT NULL REFERENCES payments.overpayments,
    decision_no text           NOT NULL CHECK (btrim(decision_no) <> ''),
    decided_on  date           NOT NULL,
    amount      numeric(20, 0) NOT NULL CHECK (amount > 0),
    -- So much a month is netted; NULL where the person pays back by instalments.
    monthly     numeric(20, 0) CHECK (monthly > 0),
    known_at    timestamptz    NOT NULL
);
CREATE INDEX recoveries_of_case ON payments.recoveries (case_no, recovery_no);
CREATE TABLE payments.instalments (
    recovery_no bigint         NOT NULL REFERENCES payments.recoveries,
    number      smallint       NOT NULL CHECK (number > 0),
    due_on      date           NOT NULL,
    amount      numeric(20, 0) NOT NULL CHECK (amount > 0),
    PRIMARY KEY (recovery_no, number)
);

-- What people paid back, where it was taken and by whose reference: each counts once.
CREATE TABLE payments.repayments (
    institution integer        NOT NULL,
    reference   text           NOT NULL CHECK (btrim(reference) <> ''),
    case_no     bigint         NOT NULL REFERENCES payments.overpayments,
    -- The decision in force then; NULL where somebody paid back before there was one.
    recovery_no bigint         REFERENCES payments.recoveries,
    amount      numeric(20, 0) NOT NULL CHECK (amount > 0),
    paid_on     date           NOT NULL,
    officer     text           NOT NULL,
    recorded_at timestamptz    NOT NULL,
    PRIMARY KEY (institution, reference)
);
CREATE INDEX repayments_of_case ON payments.repayments (case_no);

-- What is given up of a case.
CREATE TABLE payments.write_offs (
    proposal_no    bigint         PRIMARY KEY REFERENCES payments.proposal_decisions,
    case_no        bigint         NOT NULL REFERENCES payments.overpayments,
    amount         numeric(20, 0) NOT NULL CHECK (amount > 0),
    basis          text           NOT NULL CHECK (btrim(basis) <> ''),
    written_off_at timestamptz    NOT NULL
);
CREATE INDEX write_offs_of_case ON payments.write_offs (case_no);

-- How many percent of a month's gross amount netting takes at most, for runs booked from a day on;
-- what was accepted last holds. The first row is an assumption: no rule of the law was verified.
CREATE TABLE payments.netting_caps (
    percent     smallint    NOT NULL CHECK (percent BETWEEN 1 AND 100),
    valid_from  date        NOT NULL,
    known_at    timestamptz NOT NULL DEFAULT '-infinity',
    proposal_no bigint      REFERENCES payments.proposal_decisions,
    PRIMARY KEY (valid_from, known_at)
);
INSERT INTO payments.netting_caps (percent, valid_from) VALUES (30, '-infinity');

-- A line pays what is left: its amount and what was deducted are what is owed.
ALTER TABLE payments.lines
    ADD COLUMN deducted    numeric(20, 0) NOT NULL DEFAULT 0 CHECK (deducted >= 0),
    -- The decision by which it was, and so the case.
    ADD COLUMN recovery_no bigint REFERENCES payments.recoveries,
    ADD CONSTRAINT deducted_by_decision CHECK ((deducted > 0) = (recovery_no IS NOT NULL));
CREATE INDEX lines_deducted ON payments.lines (recovery_no) WHERE recovery_no IS NOT NULL;
-- Between what was announced and what is to be paid. What is paid again is announced without it.
ALTER TABLE payments.run_parts ADD COLUMN deducted_total numeric(20, 0) NOT NULL DEFAULT 0;

-- Deductions of lines that were credited: recovered, as far as the case was still open. The excess
-- is owed back, and an exception says so.
CREATE TABLE payments.nettings (
    run_no      bigint         NOT NULL,
    part        smallint       NOT NULL,
    chunk       integer        NOT NULL,
    line        integer        NOT NULL,
    recovery_no bigint         NOT NULL REFERENCES payments.recoveries,
    amount      numeric(20, 0) NOT NULL CHECK (amount >= 0),
    excess      numeric(20, 0) NOT NULL CHECK (excess >= 0),
    netted_at   timestamptz    NOT NULL,
    PRIMARY KEY (run_no, part, chunk, line),
    CHECK (amount + excess > 0)
);
CREATE INDEX nettings_of_recovery ON payments.nettings (recovery_no);

-- Deductions of lines that may still be credited: neither credited, nor followed by another attempt,
-- nor kept from being paid because nothing is owed.
CREATE VIEW payments.pending_deductions AS
SELECT l.recovery_no, l.run_no, l.part, l.chunk, l.line, l.deducted FROM payments.lines l
WHERE l.recovery_no IS NOT NULL
    AND NOT EXISTS (SELECT FROM payments.nettings n
        WHERE (n.run_no, n.part, n.chunk, n.line) = (l.run_no, l.part, l.chunk, l.line))
    AND NOT EXISTS (SELECT FROM payments.attempts s
        WHERE (s.before_run_no, s.part, s.before_chunk, s.before_line)
            = (l.run_no, l.part, l.chunk, l.line))
    AND NOT EXISTS (SELECT FROM payments.exceptions x
        WHERE (x.run_no, x.part, x.chunk, x.line) = (l.run_no, l.part, l.chunk, l.line)
            AND (x.kind = 'withdrawn' OR x.held_by = 'withdrawal' AND NOT x.to_issue_again)
            AND x.resolved_at IS NULL);

-- What became of each case so far.
CREATE VIEW payments.case_sums AS
SELECT o.case_no,
    (SELECT coalesce(sum(r.amount), 0) FROM payments.repayments r WHERE r.case_no = o.case_no)
        AS repaid,
    (SELECT coalesce(sum(n.amount), 0) FROM payments.recoveries r
        JOIN payments.nettings n USING (recovery_no) WHERE r.case_no = o.case_no) AS netted,
    (SELECT coalesce(sum(w.amount), 0) FROM payments.write_offs w WHERE w.case_no = o.case_no)
        AS written_off,
    (SELECT coalesce(sum(p.deducted), 0) FROM payments.recoveries r
        JOIN payments.pending_deductions p USING (recovery_no) WHERE r.case_no = o.case_no)
        AS pending
FROM payments.overpayments o;

CREATE INDEX overpayments_of_person ON payments.overpayments (part, programme, person_no)
    WHERE state = 'open';

ALTER TABLE payments.exceptions
    DROP CONSTRAINT exceptions_kind_check,
    ADD CONSTRAINT exceptions_kind_check CHECK (kind IN (
        'held', 'obligation_exists', 'unknown', 'contradicted', 'recall', 'withdrawn', 'stopped',
        -- More was taken back than was not owed: it is owed to the person.
        'over_recovered'));
-- Each sum that is owed back stands for itself.
DROP INDEX payments.one_exception_a_kind;
CREATE UNIQUE INDEX one_exception_a_kind ON payments.exceptions
    (run_no, part, chunk, line, kind, coalesce(held_by, ''), coalesce(withdrawal_no, 0))
    WHERE resolved_at IS NULL AND kind <> 'over_recovered';

GRANT SELECT ON payments.pending_deductions, payments.case_sums TO ansinh_payments;
GRANT SELECT, INSERT ON payments.recoveries, payments.instalments, payments.repayments,
    payments.write_offs, payments.netting_caps, payments.nettings TO ansinh_payments;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['recoveries', 'instalments', 'repayments', 'write_offs',
        'netting_caps', 'nettings'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON payments.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;

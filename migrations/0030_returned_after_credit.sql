-- What a bank had credited and gave back is owed again, as one officer proposes of the break and
-- another accepts.

DO $$
DECLARE
    named text;
BEGIN
    -- The constraints were written without names.
    FOR named IN SELECT conrelid::regclass || ' DROP CONSTRAINT ' || quote_ident(conname)
        FROM pg_constraint WHERE contype = 'c' AND pg_get_constraintdef(oid) LIKE '%written_off%'
            AND conrelid IN ('reconciliation.proposals'::regclass,
                'reconciliation.resolutions'::regclass) LOOP
        EXECUTE 'ALTER TABLE ' || named;
    END LOOP;
END $$;
ALTER TABLE reconciliation.proposals ADD CONSTRAINT proposals_how_check CHECK (how IN (
    'accepted', 'matched', 'split', 'offset', 'written_off', 'owed_again'));
ALTER TABLE reconciliation.resolutions ADD CONSTRAINT resolutions_how_check CHECK (how IN (
    'accepted', 'matched', 'split', 'offset', 'written_off', 'owed_again', 'shown_later',
    'late_result'));

-- Credited lines whose money came back and is payable again.
CREATE TABLE payments.returns (
    run_no       bigint         NOT NULL,
    part         smallint       NOT NULL,
    chunk        integer        NOT NULL,
    line         integer        NOT NULL,
    -- The break by which it did.
    institution  integer        NOT NULL,
    statement_no bigint         NOT NULL,
    break_no     integer        NOT NULL,
    amount       numeric(20, 0) NOT NULL CHECK (amount > 0),
    returned_at  timestamptz    NOT NULL,
    PRIMARY KEY (run_no, part, chunk, line)
);
GRANT SELECT, INSERT ON payments.returns TO ansinh_payments;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.returns
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();

-- A case ends too when the money that it is about comes back from the bank.
ALTER TABLE payments.overpayments
    DROP CONSTRAINT overpayments_state_check,
    ADD CONSTRAINT overpayments_state_check CHECK (state IN ('open', 'cancelled', 'returned'));

-- What a deduction recovered it has recovered once, whichever attempt is credited at last.
CREATE OR REPLACE VIEW payments.pending_deductions AS
SELECT l.recovery_no, l.run_no, l.part, l.chunk, l.line, l.deducted FROM payments.lines l
WHERE l.recovery_no IS NOT NULL
    AND NOT EXISTS (SELECT FROM payments.nettings n
        JOIN payments.lines p USING (run_no, part, chunk, line)
        WHERE n.recovery_no = l.recovery_no AND (p.part, p.person_no, p.period, p.determination_no)
            = (l.part, l.person_no, l.period, l.determination_no))
    AND NOT EXISTS (SELECT FROM payments.attempts s
        WHERE (s.before_run_no, s.part, s.before_chunk, s.before_line)
            = (l.run_no, l.part, l.chunk, l.line))
    AND NOT EXISTS (SELECT FROM payments.exceptions x
        WHERE (x.run_no, x.part, x.chunk, x.line) = (l.run_no, l.part, l.chunk, l.line)
            AND (x.kind = 'withdrawn' OR x.held_by = 'withdrawal' AND NOT x.to_issue_again)
            AND x.resolved_at IS NULL);

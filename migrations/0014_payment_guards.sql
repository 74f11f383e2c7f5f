-- Payees, holds that accounts asks for, editors who may not approve, and banks' sealed messages.

-- Whose account it is, where that is not the beneficiary's own: account and holder are sealed for
-- this person. NULL where the beneficiary is paid.
ALTER TABLE payments.lines ADD COLUMN payee_no bigint;

-- A line may wait for more than one reason; it is paid when no hold of it is open any more.
ALTER TABLE payments.exceptions
    -- Who set the line aside.
    ADD COLUMN held_by        text CHECK (held_by IN ('account', 'officer', 'withdrawal')),
    -- When a hold ends by itself; NULL where a person ends it.
    ADD COLUMN hold_until     timestamptz,
    -- The reason is gone and the line is not in what was approved, or its chunk has left.
    ADD COLUMN to_issue_again boolean NOT NULL DEFAULT false;
UPDATE payments.exceptions
    SET held_by = CASE WHEN withdrawal_no IS NULL THEN 'officer' ELSE 'withdrawal' END
    WHERE kind = 'held';
ALTER TABLE payments.exceptions
    ADD CONSTRAINT held_by_somebody CHECK ((kind = 'held') = (held_by IS NOT NULL)),
    ADD CONSTRAINT only_accounts_holds_end CHECK (hold_until IS NULL OR held_by = 'account');
DROP INDEX payments.one_exception_a_kind;
CREATE UNIQUE INDEX one_exception_a_kind ON payments.exceptions
    (run_no, part, chunk, line, kind, coalesce(held_by, ''), coalesce(withdrawal_no, 0))
    WHERE resolved_at IS NULL;
-- What the watch over holds looks for.
CREATE INDEX holds_that_end ON payments.exceptions (hold_until)
    WHERE hold_until IS NOT NULL AND resolved_at IS NULL AND NOT to_issue_again;
GRANT UPDATE (to_issue_again) ON payments.exceptions TO ansinh_payments;

-- Officers who changed where a line is paid. A partition of its own for each, so that partitions
-- do not wait for one another while a run is prepared.
CREATE TABLE payments.editors (
    run_no  bigint   NOT NULL,
    part    smallint NOT NULL,
    chunk   integer  NOT NULL,
    line    integer  NOT NULL,
    officer text     NOT NULL,
    PRIMARY KEY (run_no, part, chunk, line, officer)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.editors
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();
GRANT SELECT, INSERT ON payments.editors TO ansinh_payments;

-- Nobody becomes an editor of a partition that is prepared: who may approve the run is settled
-- before anybody can. The row is the one that preparing locks.
CREATE FUNCTION payments.refuse_late_editors() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM payments.run_parts
        WHERE (run_no, part) IN (SELECT run_no, part FROM added)
        ORDER BY run_no, part FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM (SELECT DISTINCT run_no, part FROM added) a
        LEFT JOIN payments.run_parts p USING (run_no, part) WHERE p.prepared IS DISTINCT FROM false)
    THEN
        RAISE EXCEPTION 'an editor of a partition that is prepared, or none'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'editors_before_approvers';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER editors_before_approvers AFTER INSERT ON payments.editors
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION payments.refuse_late_editors();

-- With the last partition each editor has an act on the run, and so no second one: neither an
-- approval nor the release. Who opened the run has acted on it already.
ALTER TABLE payments.acts
    DROP CONSTRAINT acts_act_check,
    ADD CONSTRAINT acts_act_check CHECK (act IN (
        'open', 'edit', 'approve', 'release', 'close', 'hold', 'free'));
DROP INDEX payments.different_persons;
CREATE UNIQUE INDEX different_persons ON payments.acts (run_no, officer)
    WHERE voided_at IS NULL AND act IN ('open', 'edit', 'approve', 'release');

-- What a bank was told of an account it keeps as it was sealed for it.
ALTER TABLE sandbox.entries DROP COLUMN account, ADD COLUMN account_sealed bytea;

-- A statement whose accounts do not open is refused as a whole.
ALTER TABLE reconciliation.refusals
    DROP CONSTRAINT refusals_code_check,
    ADD CONSTRAINT refusals_code_check CHECK (code IN (
        'statement_repeated', 'statement_total_mismatch', 'statement_balance_mismatch',
        'statement_opening_mismatch', 'statement_header_differs', 'not_your_statement',
        'account_unreadable'));

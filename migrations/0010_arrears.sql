-- Arrears as lines of their own, withdrawals, overpayments.

-- A line is of a period of its own: the run's, or a past one whose arrears it is.
ALTER TABLE payments.lines DISABLE TRIGGER append_only;
ALTER TABLE payments.lines ADD COLUMN period date;
UPDATE payments.lines l SET period = r.period FROM payments.runs r WHERE r.run_no = l.run_no;
ALTER TABLE payments.lines ALTER COLUMN period SET NOT NULL;
ALTER TABLE payments.lines ENABLE TRIGGER append_only;

-- Of the lines to pay, those that are arrears.
ALTER TABLE payments.run_parts
    ADD COLUMN arrears_lines bigint         NOT NULL DEFAULT 0,
    ADD COLUMN arrears_total numeric(20, 0) NOT NULL DEFAULT 0;

-- What turned out not to be owed, or to be owed again, as it was told: by the obligation's key,
-- each turn once. An odd turn withdraws, the even one after it restores.
CREATE TABLE payments.withdrawals (
    withdrawal_no    bigint         PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    part             smallint       NOT NULL,
    programme        smallint       NOT NULL,
    period           date           NOT NULL,
    person_no        bigint         NOT NULL,
    determination_no smallint       NOT NULL,
    turn             smallint       NOT NULL CHECK (turn > 0),
    amount           numeric(20, 0) NOT NULL CHECK (amount > 0),
    reason           text           NOT NULL,
    heard_at         timestamptz    NOT NULL,
    CONSTRAINT heard_once UNIQUE
        (part, programme, period, person_no, determination_no, turn)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.withdrawals
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();

-- What was credited and is not owed: somebody has to get it back.
CREATE TABLE payments.overpayments (
    case_no          bigint         PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    part             smallint       NOT NULL,
    programme        smallint       NOT NULL,
    period           date           NOT NULL,
    person_no        bigint         NOT NULL,
    determination_no smallint       NOT NULL,
    turn             smallint       NOT NULL,
    run_no           bigint         NOT NULL,
    chunk            integer        NOT NULL,
    line             integer        NOT NULL,
    province         smallint       NOT NULL,
    amount           numeric(20, 0) NOT NULL CHECK (amount > 0),
    reason           text           NOT NULL,
    state            text           NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'cancelled')),
    opened_at        timestamptz    NOT NULL,
    closed_at        timestamptz,
    CHECK ((state = 'open') = (closed_at IS NULL)),
    CONSTRAINT overpaid_once UNIQUE
        (part, programme, period, person_no, determination_no, turn)
);
CREATE INDEX overpayments_of_run ON payments.overpayments (run_no);

ALTER TABLE payments.exceptions
    -- The obligation, where there is no line that has it.
    ADD COLUMN period           date,
    ADD COLUMN determination_no smallint,
    -- The withdrawal that opened it; NULL where something else did.
    ADD COLUMN withdrawal_no    bigint REFERENCES payments.withdrawals,
    -- Held although approved: what was approved still counts the line.
    ADD COLUMN after_approval   boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT exceptions_kind_check,
    ADD CONSTRAINT exceptions_kind_check CHECK (kind IN (
        'held', 'obligation_exists', 'unknown', 'contradicted',
        -- Out when it was withdrawn: asked back at the institution.
        'recall',
        -- Not paid and not owed: not to be issued again.
        'withdrawn'));
UPDATE payments.exceptions x SET period = r.period, determination_no = 1
    FROM payments.runs r WHERE r.run_no = x.run_no AND x.kind = 'obligation_exists';
-- A line may be held, set free and held again: one open exception of a kind at a time.
DROP INDEX payments.one_exception_a_kind;
CREATE UNIQUE INDEX one_exception_a_kind ON payments.exceptions (run_no, part, chunk, line, kind)
    WHERE resolved_at IS NULL;
CREATE INDEX exceptions_of_run ON payments.exceptions (run_no, exception_no);
CREATE INDEX exceptions_of_withdrawal ON payments.exceptions (withdrawal_no)
    WHERE withdrawal_no IS NOT NULL;

GRANT SELECT, INSERT ON payments.withdrawals, payments.overpayments TO ansinh_payments;
GRANT UPDATE (state, closed_at) ON payments.overpayments TO ansinh_payments;
GRANT UPDATE (detail) ON payments.exceptions TO ansinh_payments;

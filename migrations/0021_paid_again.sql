-- What could not be paid is paid another way: attempts at an obligation, and runs that make them.

-- The regular run of a period is series 0; the others pay again what was not paid.
ALTER TABLE payments.runs
    ADD COLUMN series smallint NOT NULL DEFAULT 0 CHECK (series BETWEEN 0 AND 999),
    DROP CONSTRAINT one_run_a_period,
    ADD CONSTRAINT one_run_a_period UNIQUE (programme, period, series);

-- Attempts at an obligation after the first, which is the obligation's own row: each has a line of
-- its own and follows exactly one that has ended without paying.
CREATE TABLE payments.attempts (
    part             smallint NOT NULL,
    programme        smallint NOT NULL,
    period           date     NOT NULL,
    person_no        bigint   NOT NULL,
    determination_no smallint NOT NULL,
    attempt          smallint NOT NULL CHECK (attempt BETWEEN 2 AND 99),
    run_no           bigint   NOT NULL,
    chunk            integer  NOT NULL,
    line             integer  NOT NULL,
    before_run_no    bigint   NOT NULL,
    before_chunk     integer  NOT NULL,
    before_line      integer  NOT NULL,
    -- The money is in payable already; what was never approved before is committed and reserved.
    is_reserved      boolean  NOT NULL,
    -- Where the treasury's cash for it lies since an earlier attempt; NULL in its own hands.
    cash_at          integer,
    PRIMARY KEY (part, programme, period, person_no, determination_no, attempt),
    CONSTRAINT one_attempt_a_line UNIQUE (run_no, part, chunk, line),
    CONSTRAINT succeeded_once UNIQUE (before_run_no, part, before_chunk, before_line),
    CONSTRAINT later_than_before CHECK (before_run_no < run_no),
    CHECK (is_reserved OR cash_at IS NULL)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.attempts
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();
GRANT SELECT, INSERT ON payments.attempts TO ansinh_payments;

-- What is looked for when a run pays again: few among millions.
CREATE INDEX results_rejected ON payments.results (run_no, part, chunk, line)
    WHERE status = 'rejected';
CREATE INDEX breaks_of_line ON payments.breaks (run_no, part, chunk, line) WHERE line IS NOT NULL;

-- The third electronic channel of Decree 368/2025, beside accounts and wallets.
ALTER TABLE accounts.links
    DROP CONSTRAINT links_channel_check1,
    ADD CONSTRAINT links_channel_check1
        CHECK (channel IN ('bank_account', 'wallet', 'mobile_money'));

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

-- Where the beneficiary of a cash line lives: what is paid in cash is listed by commune.
ALTER TABLE payments.lines ADD COLUMN commune integer;

-- Lists that an agent gave back, each with the text that was signed; the rows are results.
CREATE TABLE payments.cash_returns (
    institution integer        NOT NULL,
    return_no   text           NOT NULL,
    run_no      bigint         NOT NULL REFERENCES payments.runs,
    paid_on     date           NOT NULL,
    rows        integer        NOT NULL CHECK (rows > 0),
    handed_over numeric(20, 0) NOT NULL,
    paid        numeric(20, 0) NOT NULL CHECK (paid BETWEEN 0 AND handed_over),
    officer     text           NOT NULL,
    key_no      bigint         NOT NULL REFERENCES payments.officer_keys,
    statement   text           NOT NULL,
    signature   bytea          NOT NULL CHECK (octet_length(signature) = 64),
    recorded_at timestamptz    NOT NULL,
    PRIMARY KEY (institution, return_no)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.cash_returns
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();
GRANT SELECT, INSERT ON payments.cash_returns TO ansinh_payments;

-- After how many months an entry of a cash list is unclaimed, counted from when it was first not
-- fetched. As for the suspension of who has not fetched three months in a row.
CREATE TABLE payments.cash_terms (
    unclaimed_after_months smallint NOT NULL CHECK (unclaimed_after_months > 0)
);
INSERT INTO payments.cash_terms VALUES (3);
-- Lines whose money was set aside for who has not fetched it; one that is followed by another attempt
-- was claimed.
CREATE TABLE payments.unclaimed (
    run_no  bigint      NOT NULL,
    part    smallint    NOT NULL,
    chunk   integer     NOT NULL,
    line    integer     NOT NULL,
    officer text        NOT NULL,
    aged_at timestamptz NOT NULL,
    PRIMARY KEY (run_no, part, chunk, line)
);
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['cash_terms', 'unclaimed'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON payments.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;
GRANT SELECT ON payments.cash_terms TO ansinh_payments;
GRANT SELECT, INSERT ON payments.unclaimed TO ansinh_payments;
ALTER TABLE payments.alarms
    DROP CONSTRAINT alarms_kind_check,
    ADD CONSTRAINT alarms_kind_check CHECK (kind IN (
        'opening_missed', 'list_not_frozen', 'not_approved', 'not_released', 'not_reported',
        'institution_paused', 'unclaimed'));

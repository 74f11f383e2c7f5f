-- From which money a run is paid, whole or in part, and what becomes of what a year leaves.

-- Money that is nobody's yet is that of a budget year; after that the run says whose year it is.
ALTER TABLE ledger.accounts ADD COLUMN budget_year smallint;

ALTER TABLE payments.runs
    -- A run is paid from the budget of the year in which banks book it.
    ADD COLUMN budget_year smallint NOT NULL
        GENERATED ALWAYS AS (extract(year FROM business_date)::smallint) STORED,
    DROP CONSTRAINT runs_state_check,
    ADD CONSTRAINT runs_state_check CHECK (state IN (
        'preparing', 'awaiting_approval', 'unfunded', 'approved', 'reserved', 'releasing',
        'released', 'closed'));

-- What an approved run takes from each fund; province 0 is the programme's own.
CREATE TABLE payments.needs (
    run_no   bigint         NOT NULL REFERENCES payments.runs,
    province smallint       NOT NULL CHECK (province >= 0),
    amount   numeric(20, 0) NOT NULL CHECK (amount > 0),
    PRIMARY KEY (run_no, province)
);

-- Each time money was committed to an approved run.
CREATE TABLE payments.fundings (
    run_no    bigint         NOT NULL REFERENCES payments.runs,
    step      smallint       NOT NULL CHECK (step > 0),
    -- NULL where the last approval did it.
    officer   text,
    -- In which order lines were funded as far as the money went.
    rule      text           NOT NULL CHECK (rule IN (
        'whole', 'oldest_first', 'smallest_first', 'province')),
    provinces smallint[]     CHECK ((provinces IS NOT NULL) = (rule = 'province')),
    lines     bigint         NOT NULL CHECK (lines > 0),
    total     numeric(20, 0) NOT NULL CHECK (total > 0),
    funded_at timestamptz    NOT NULL,
    PRIMARY KEY (run_no, step),
    CHECK (officer IS NOT NULL OR (rule = 'whole' AND step = 1))
);
CREATE TABLE payments.funding_sums (
    run_no   bigint         NOT NULL,
    step     smallint       NOT NULL,
    province smallint       NOT NULL,
    amount   numeric(20, 0) NOT NULL CHECK (amount > 0),
    PRIMARY KEY (run_no, step, province),
    FOREIGN KEY (run_no, step) REFERENCES payments.fundings,
    FOREIGN KEY (run_no, province) REFERENCES payments.needs
);

GRANT SELECT, INSERT ON payments.needs, payments.fundings, payments.funding_sums
    TO ansinh_payments;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['needs', 'fundings', 'funding_sums'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON payments.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;

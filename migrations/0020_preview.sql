-- What a run does differently from the one before it, and what its approver has to explain.

-- Per partition and province, written when the partition is prepared; no screen compares lines.
-- A person may stand in more than one bucket: paid more, and to another account.
CREATE TABLE payments.differences (
    run_no   bigint         NOT NULL,
    part     smallint       NOT NULL,
    province smallint       NOT NULL,
    bucket   text           NOT NULL CHECK (bucket IN (
        'new', 'stopped', 'up', 'down', 'unchanged', 'arrears', 'channel_changed')),
    persons  bigint         NOT NULL,
    -- What they were paid by the run before, and what they are to be paid now.
    before   numeric(20, 0) NOT NULL,
    after    numeric(20, 0) NOT NULL,
    PRIMARY KEY (run_no, part, province, bucket)
);
ALTER TABLE payments.runs
    -- The programme's run before, as known when the first partition was prepared.
    ADD COLUMN compared_with bigint REFERENCES payments.runs;
ALTER TABLE payments.run_parts
    -- The largest line; what is held later may have been it.
    ADD COLUMN largest numeric(20, 0) NOT NULL DEFAULT 0;

-- Beyond which limit an approver writes a reason.
CREATE TABLE payments.guard_limits (
    guard        text   PRIMARY KEY CHECK (guard IN (
        'total_off_last', 'many_stopped', 'amount_outlier')),
    -- Percent of the run before; for an amount, how many times the average.
    limit_number bigint NOT NULL CHECK (limit_number > 0)
);
INSERT INTO payments.guard_limits VALUES
    ('total_off_last', 10), ('many_stopped', 5), ('amount_outlier', 20);

-- A reason holds for the run as it was seen: another root is another run.
CREATE TABLE payments.guard_answers (
    run_no      bigint      NOT NULL REFERENCES payments.runs,
    root        bytea       NOT NULL,
    guard       text        NOT NULL REFERENCES payments.guard_limits,
    measured    bigint      NOT NULL,
    officer     text        NOT NULL,
    reason      text        NOT NULL CHECK (reason <> ''),
    answered_at timestamptz NOT NULL,
    PRIMARY KEY (run_no, root, guard)
);
GRANT SELECT ON payments.guard_limits TO ansinh_payments;
GRANT SELECT, INSERT ON payments.differences, payments.guard_answers TO ansinh_payments;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['differences', 'guard_limits', 'guard_answers'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON payments.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;

-- What else an approver explains, and what nobody explains away.

-- What a programme is expected to cost in a month; the one decided last counts.
CREATE TABLE payments.forecasts (
    programme   smallint       NOT NULL,
    period      date           NOT NULL,
    total       numeric(20, 0) NOT NULL CHECK (total > 0),
    known_at    timestamptz    NOT NULL,
    proposal_no bigint         NOT NULL UNIQUE REFERENCES payments.proposals,
    PRIMARY KEY (programme, period, known_at)
);
GRANT SELECT, INSERT ON payments.forecasts TO ansinh_payments;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.forecasts
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();

ALTER TABLE payments.proposals
    DROP CONSTRAINT proposals_kind_check,
    ADD CONSTRAINT proposals_kind_check CHECK (kind IN (
        'approval_level', 'guard_limit', 'delegation', 'forecast'));

ALTER TABLE payments.guard_limits
    -- Beyond it nobody approves, whatever the reason.
    ADD COLUMN block_number bigint CHECK (block_number >= limit_number),
    DROP CONSTRAINT guard_limits_guard_check,
    ADD CONSTRAINT guard_limits_guard_check CHECK (guard IN (
        'total_off_last', 'many_stopped', 'amount_outlier', 'largest_off_last',
        'total_off_forecast', 'over_budget', 'day_off', 'freed_lines')),
    DROP CONSTRAINT guard_limits_limit_number_check,
    -- At 0 the first one needs a reason.
    ADD CONSTRAINT guard_limits_limit_number_check CHECK (limit_number >= 0);
-- Percent, but for how many lines were freed, and 1 where the banks do not work.
INSERT INTO payments.guard_limits (guard, limit_number, block_number, known_at) VALUES
    ('largest_off_last', 300, NULL, '-infinity'),
    ('total_off_forecast', 5, 100, '-infinity'),
    ('over_budget', 0, NULL, '-infinity'),
    ('day_off', 0, NULL, '-infinity'),
    ('freed_lines', 0, NULL, '-infinity'),
    -- The one that was shipped before: a slip of the finger is a thousand times the average.
    ('amount_outlier', 20, 1000, '2026-01-01');

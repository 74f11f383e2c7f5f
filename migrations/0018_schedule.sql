-- When runs are due: what was decided, what is planned, and what became of it.

-- What the State or an institution decided after the program was shipped. It holds when another
-- officer has approved it; of two for the same thing the later one holds. Nothing is edited.
CREATE TABLE payments.schedule_orders (
    order_no    bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind        text        NOT NULL CHECK (kind IN ('day', 'pay_day', 'cut_off')),
    -- The day that is worked or not; the new pay day; the day from which the cut-off holds.
    day         date        NOT NULL,
    is_worked   boolean,
    programme   smallint,
    period      date,
    institution integer,
    cut_off     time,
    reason      text        NOT NULL CHECK (reason <> ''),
    maker       text        NOT NULL,
    ordered_at  timestamptz NOT NULL,
    checker     text,
    approved_at timestamptz,
    CHECK ((checker IS NULL) = (approved_at IS NULL)),
    CONSTRAINT order_checker_differs CHECK (checker <> maker),
    CHECK (num_nonnulls(is_worked) = (kind = 'day')::int),
    CHECK (num_nonnulls(programme, period) = 2 * (kind = 'pay_day')::int),
    CHECK (num_nonnulls(institution, cut_off) = 2 * (kind = 'cut_off')::int)
);
CREATE TRIGGER approved BEFORE UPDATE ON payments.schedule_orders
    FOR EACH ROW WHEN (OLD.checker IS NOT NULL) EXECUTE FUNCTION messaging.refuse_change();

CREATE TABLE payments.schedule (
    programme  smallint    NOT NULL,
    period     date        NOT NULL,
    moment     text        NOT NULL
        CHECK (moment IN ('open', 'freeze', 'approve', 'release', 'report')),
    due_at     timestamptz NOT NULL,
    pay_day    date        NOT NULL,
    -- The earlier period on whose pay day this one is paid as well: Tết.
    paid_with  date        CHECK (paid_with < period),
    -- Who planned it as it stands, and so is the maker of its run.
    maker      text        NOT NULL,
    planned_at timestamptz NOT NULL,
    state      text        NOT NULL DEFAULT 'planned'
        CHECK (state IN ('planned', 'fired', 'kept', 'skipped', 'missed')),
    -- Why it was skipped or missed: a code.
    reason     text,
    run_no     bigint      REFERENCES payments.runs,
    settled_at timestamptz,
    PRIMARY KEY (programme, period, moment),
    CHECK ((state = 'planned') = (settled_at IS NULL)),
    CHECK ((state IN ('skipped', 'missed')) = (reason IS NOT NULL)),
    -- Only an opening fires, and never without its run; only a deadline is kept.
    CONSTRAINT fired_with_its_run CHECK (
        state <> 'fired' OR (moment = 'open' AND run_no IS NOT NULL)),
    CHECK (state <> 'kept' OR moment <> 'open'),
    CHECK (run_no IS NULL OR state IN ('fired', 'skipped'))
);
CREATE UNIQUE INDEX one_moment_a_run ON payments.schedule (run_no) WHERE state = 'fired';
CREATE INDEX schedule_due ON payments.schedule (due_at) WHERE state = 'planned';
-- What has happened stays as it happened.
CREATE TRIGGER settled BEFORE UPDATE ON payments.schedule
    FOR EACH ROW WHEN (OLD.state <> 'planned') EXECUTE FUNCTION messaging.refuse_change();

-- How each row of the schedule came to be as it is, and why.
CREATE TABLE payments.schedule_steps (
    step_no     bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    programme   smallint    NOT NULL,
    period      date        NOT NULL,
    moment      text        NOT NULL,
    step        text        NOT NULL CHECK (step IN (
        'planned', 'replanned', 'fired', 'kept', 'skipped', 'missed')),
    due_at      timestamptz NOT NULL,
    pay_day     date        NOT NULL,
    -- NULL where time did it.
    officer     text,
    reason      text,
    run_no      bigint,
    recorded_at timestamptz NOT NULL,
    CHECK ((officer IS NOT NULL) = (step IN ('planned', 'replanned')))
);
CREATE INDEX steps_of_schedule ON payments.schedule_steps (programme, period, moment);

-- What somebody has to look at now; once for what it is about.
CREATE TABLE payments.alarms (
    alarm_no  bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind      text        NOT NULL CHECK (kind IN (
        'opening_missed', 'list_not_frozen', 'not_approved', 'not_released', 'not_reported')),
    -- A programme and a period; never a person.
    subject   text        NOT NULL,
    raised_at timestamptz NOT NULL,
    CONSTRAINT one_alarm UNIQUE (kind, subject)
);

GRANT SELECT, INSERT ON payments.schedule_orders, payments.schedule, payments.schedule_steps,
    payments.alarms TO ansinh_payments;
GRANT UPDATE (checker, approved_at) ON payments.schedule_orders TO ansinh_payments;
GRANT UPDATE ON payments.schedule TO ansinh_payments;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['schedule_steps', 'alarms'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON payments.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
    FOREACH kept IN ARRAY ARRAY['schedule_orders', 'schedule'] LOOP
        EXECUTE format('CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
            ON payments.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;

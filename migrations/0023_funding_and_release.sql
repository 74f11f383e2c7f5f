-- From which money a run is paid, whole or in part, and what becomes of what a year leaves.

-- Money that is nobody's yet is that of a budget year; after that the run says whose year it is.
ALTER TABLE ledger.accounts ADD COLUMN budget_year smallint;

ALTER TABLE payments.runs
    -- A run is paid from the budget of the year in which banks book it.
    ADD COLUMN budget_year smallint NOT NULL
        GENERATED ALWAYS AS (extract(year FROM business_date)::smallint) STORED,
    DROP CONSTRAINT runs_state_check,
    ADD CONSTRAINT runs_state_check CHECK (state IN (
        'preparing', 'awaiting_approval', 'sent_back', 'unfunded', 'approved', 'reserved',
        'releasing', 'released', 'closed'));

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

-- Which lines of a run that was funded in parts, by which step.
CREATE TABLE payments.funded_lines (
    run_no bigint   NOT NULL,
    part   smallint NOT NULL,
    chunk  integer  NOT NULL,
    line   integer  NOT NULL,
    step   smallint NOT NULL CHECK (step > 0),
    PRIMARY KEY (run_no, part, chunk, line)
);

GRANT SELECT, INSERT ON payments.needs, payments.fundings, payments.funding_sums,
    payments.funded_lines TO ansinh_payments;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['needs', 'fundings', 'funding_sums', 'funded_lines'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON payments.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;

-- What goes out of a released run, and when.

-- Orders about what goes out: of officers, or of the engine that pauses an institution. Who resumes
-- is not who paused; what is stopped stays so.
CREATE TABLE payments.release_orders (
    order_no      bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind          text        NOT NULL CHECK (kind IN ('pause', 'resume', 'stop')),
    -- `run/12`, `institution/970436`, `programme/1` or `province/1`.
    scope         text        NOT NULL,
    -- NULL where the engine did it.
    officer       text,
    reason        text        NOT NULL CHECK (btrim(reason) <> ''),
    ordered_at    timestamptz NOT NULL,
    -- The pause that a resume ends, and whose it was.
    ends          bigint      UNIQUE,
    paused_by     text,
    -- Behind which answer of an institution the engine paused it.
    answer_no     bigint,
    UNIQUE (order_no, officer),
    FOREIGN KEY (ends) REFERENCES payments.release_orders (order_no),
    FOREIGN KEY (ends, paused_by) REFERENCES payments.release_orders (order_no, officer),
    CHECK ((kind = 'resume') = (ends IS NOT NULL)),
    CONSTRAINT resumed_by_another CHECK (officer <> paused_by),
    CHECK (officer IS NOT NULL OR kind = 'pause'),
    CHECK (answer_no IS NULL OR officer IS NULL)
);
-- What is paused now.
CREATE TABLE payments.pauses (
    scope    text   PRIMARY KEY,
    order_no bigint NOT NULL REFERENCES payments.release_orders
);
CREATE FUNCTION payments.is_paused(run_no bigint, institution integer, programme smallint)
    RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM payments.pauses p WHERE p.scope IN
        ('run/' || run_no, 'institution/' || institution, 'programme/' || programme))
$$;

-- What was planned to go out in which wave, and who let each begin.
CREATE TABLE payments.waves (
    run_no bigint         NOT NULL REFERENCES payments.runs,
    wave   smallint       NOT NULL CHECK (wave > 0),
    lines  bigint         NOT NULL,
    total  numeric(20, 0) NOT NULL,
    PRIMARY KEY (run_no, wave)
);
CREATE TABLE payments.wave_openings (
    run_no    bigint      NOT NULL,
    wave      smallint    NOT NULL,
    officer   text        NOT NULL,
    opened_at timestamptz NOT NULL,
    PRIMARY KEY (run_no, wave),
    FOREIGN KEY (run_no, wave) REFERENCES payments.waves
);
-- Waves that may go out.
ALTER TABLE payments.runs ADD COLUMN wave smallint NOT NULL DEFAULT 0;
ALTER TABLE payments.chunks
    -- NULL until the run is released.
    ADD COLUMN wave       smallint,
    -- Whether something of it is to go out.
    ADD COLUMN standing   text     NOT NULL DEFAULT 'waiting'
        CHECK (standing IN ('waiting', 'done', 'stopped')),
    -- How many messages have left with lines of it.
    ADD COLUMN messages   smallint NOT NULL DEFAULT 0,
    ADD COLUMN stopped_by bigint   REFERENCES payments.release_orders;
UPDATE payments.chunks c
    SET wave = 1, standing = CASE WHEN c.chunk <= p.released THEN 'done' ELSE 'waiting' END,
        messages = (c.released_at IS NOT NULL)::int
    FROM payments.run_parts p JOIN payments.runs r USING (run_no)
    WHERE (p.run_no, p.part) = (c.run_no, c.part) AND r.state IN ('releasing', 'released', 'closed');
UPDATE payments.runs SET wave = 1 WHERE state IN ('releasing', 'released', 'closed');
ALTER TABLE payments.run_parts DROP COLUMN released;

-- Lines that could not go out with their chunk's first message, and with which they go.
CREATE TABLE payments.later_lines (
    run_no  bigint   NOT NULL,
    part    smallint NOT NULL,
    chunk   integer  NOT NULL,
    line    integer  NOT NULL,
    message smallint NOT NULL CHECK (message > 0),
    PRIMARY KEY (run_no, part, chunk, line, message)
);

-- What did not go out for good and went back to the funds it came from.
CREATE TABLE payments.stops (
    run_no   bigint         NOT NULL,
    part     smallint       NOT NULL,
    chunk    integer        NOT NULL,
    province smallint       NOT NULL CHECK (province >= 0),
    order_no bigint         NOT NULL REFERENCES payments.release_orders,
    amount   numeric(20, 0) NOT NULL CHECK (amount > 0),
    PRIMARY KEY (run_no, part, chunk, province)
);

-- How much an institution takes; in force when another officer has approved it.
CREATE TABLE payments.rate_limits (
    limit_no         bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    institution      integer     NOT NULL,
    lines_per_minute integer     NOT NULL CHECK (lines_per_minute > 0),
    holds_from       timestamptz NOT NULL,
    reason           text        NOT NULL CHECK (btrim(reason) <> ''),
    maker            text        NOT NULL,
    ordered_at       timestamptz NOT NULL,
    checker          text,
    approved_at      timestamptz,
    CHECK ((checker IS NULL) = (approved_at IS NULL)),
    CONSTRAINT limit_checker_differs CHECK (checker <> maker)
);
CREATE TRIGGER approved BEFORE UPDATE ON payments.rate_limits
    FOR EACH ROW WHEN (OLD.checker IS NOT NULL) EXECUTE FUNCTION messaging.refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON payments.rate_limits
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();
-- When each limited institution takes the next message: the last one has used up the time until.
CREATE TABLE payments.rate_buckets (
    institution integer     PRIMARY KEY,
    next_at     timestamptz NOT NULL
) WITH (fillfactor = 50);

-- An institution that rejects too much is paused: more than so many percent of the last lines of a
-- run that it answered, once it has answered enough of them.
CREATE TABLE payments.breaker_limits (
    only_row         boolean  PRIMARY KEY DEFAULT true CHECK (only_row),
    rejected_percent smallint NOT NULL CHECK (rejected_percent BETWEEN 1 AND 100),
    last_lines       integer  NOT NULL CHECK (last_lines > 0),
    enough_lines     integer  NOT NULL CHECK (enough_lines > 0)
);
INSERT INTO payments.breaker_limits VALUES (true, 30, 500, 100);
CREATE TABLE payments.answers (
    answer_no   bigint   PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    run_no      bigint   NOT NULL,
    institution integer  NOT NULL,
    part        smallint NOT NULL,
    lines       bigint   NOT NULL CHECK (lines > 0),
    rejected    bigint   NOT NULL CHECK (rejected BETWEEN 0 AND lines)
);
CREATE INDEX answers_of_run ON payments.answers (run_no, institution, answer_no);

ALTER TABLE payments.alarms
    DROP CONSTRAINT alarms_kind_check,
    ADD CONSTRAINT alarms_kind_check CHECK (kind IN (
        'opening_missed', 'list_not_frozen', 'not_approved', 'not_released', 'not_reported',
        'institution_paused'));
ALTER TABLE payments.exceptions
    DROP CONSTRAINT exceptions_kind_check,
    ADD CONSTRAINT exceptions_kind_check CHECK (kind IN (
        'held', 'obligation_exists', 'unknown', 'contradicted', 'recall', 'withdrawn',
        -- Approved and not paid by its run: its money went back, it may be issued again.
        'stopped')),
    DROP CONSTRAINT exceptions_held_by_check,
    ADD CONSTRAINT exceptions_held_by_check CHECK (held_by IN (
        'account', 'officer', 'withdrawal', 'pause', 'funding'));

GRANT SELECT, INSERT ON payments.release_orders, payments.waves, payments.wave_openings,
    payments.later_lines, payments.stops, payments.rate_limits, payments.answers
    TO ansinh_payments;
-- Who resumes holds the row; nobody changes it.
GRANT SELECT, INSERT, UPDATE, DELETE ON payments.pauses TO ansinh_payments;
GRANT SELECT, INSERT, UPDATE ON payments.rate_buckets TO ansinh_payments;
GRANT UPDATE (checker, approved_at) ON payments.rate_limits TO ansinh_payments;
GRANT SELECT ON payments.breaker_limits TO ansinh_payments;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['release_orders', 'waves', 'wave_openings', 'later_lines', 'stops',
        'answers', 'breaker_limits'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON payments.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;

-- A bank may get more than one message for a chunk.
ALTER TABLE sandbox.funds
    ADD COLUMN message smallint NOT NULL DEFAULT 0,
    DROP CONSTRAINT funds_pkey,
    ADD PRIMARY KEY (institution, part, run_no, chunk, message);

-- What a budget year has left when it is over goes back to the treasury, or to the next year by a
-- decision. It does when another officer has approved it; how much that is, is found then.
CREATE TABLE payments.year_closings (
    closing_no  bigint         PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    programme   smallint       NOT NULL,
    -- 0 for the programme's own fund.
    province    smallint       NOT NULL CHECK (province >= 0),
    budget_year smallint       NOT NULL,
    how         text           NOT NULL CHECK (how IN ('given_back', 'carried_over')),
    -- Number of the decision, or of the treasury's document.
    reference   text           NOT NULL UNIQUE CHECK (btrim(reference) <> ''),
    maker       text           NOT NULL,
    ordered_at  timestamptz    NOT NULL,
    checker     text,
    approved_at timestamptz,
    amount      numeric(20, 0) CHECK (amount > 0),
    CHECK (num_nulls(checker, approved_at, amount) IN (0, 3)),
    CONSTRAINT closing_checker_differs CHECK (checker <> maker)
);
CREATE TRIGGER approved BEFORE UPDATE ON payments.year_closings
    FOR EACH ROW WHEN (OLD.checker IS NOT NULL) EXECUTE FUNCTION messaging.refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON payments.year_closings
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();
GRANT SELECT, INSERT ON payments.year_closings TO ansinh_payments;
GRANT UPDATE (checker, approved_at, amount) ON payments.year_closings TO ansinh_payments;
